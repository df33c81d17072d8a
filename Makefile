# All rules. 'make help' lists what can be asked for; V=1 shows whole commands.
# Run in the source folder everything lands in build/; a folder where configure was
# run holds a Makefile of one line that includes this one.

TOP := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
ifneq ($(words $(CURDIR)),1)
$(error make cannot work in a folder with a space in its path, "$(CURDIR)": move or link it to one without)
endif
BUILD := $(if $(filter $(TOP),$(CURDIR)),build,.)
OUT := $(abspath $(BUILD))
V ?= 0
Q := $(if $(filter 0,$(V)),@)
say = $(if $(filter 0,$(V)),@printf '  %-5s %s\n' $(1) '$(patsubst $(BUILD)/%,%,$(2))';)

# All cores, unless -j was given: the command line wins over this.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif
MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
.PHONY: all demo check check-asan check-cuda check-slow check-versions fuzz install uninstall clean distclean help
all:

help:
	@echo "make                  build/ffmpeg with the filter, the library and the program mardini"
	@echo "make demo             a clip in slow motion, with pictures of it"
	@echo "make check            build and run every test"
	@echo "make check-slow       what takes minutes: every size, soaks, large frames"
	@echo "make check-asan       the library under gcc's address and undefined behaviour sanitizers"
	@echo "make fuzz             checkpoint reader and filter under libFuzzer, ten minutes each (clang-14)"
	@echo "make check-versions   run the filter's tests in each FFmpeg that there are patches for"
	@echo "make check-cuda       tests and speed table on this machine's CUDA device; FFmpeg is not needed"
	@echo "make install          into PREFIX (prefix=DIR, DESTDIR=DIR); make uninstall takes it away"
	@echo "make clean            remove our objects; make distclean: all that was built or fetched"

distclean:
ifeq ($(BUILD),build)
	rm -rf build
else
	rm -rf $(addprefix $(BUILD)/,ffmpeg ffprobe mardini lib* pkgconfig weights model tests cuda fuzz fuzz_* asan demo torch download \
	    lean-* full-* min-* flags config.h config.mak config.log pip.log torch.map prefix Makefile)
endif

ifneq ($(filter-out help distclean,$(or $(MAKECMDGOALS),all)),)

include $(BUILD)/config.mak
$(BUILD)/config.mak: $(TOP)/configure
	$(Q)$(CONFIGURE_ENV) $(TOP)/configure $(CONFIGURE_ARGS)

prefix ?= $(configured_prefix)
bindir = $(prefix)/bin
libdir = $(prefix)/lib
includedir = $(prefix)/include
datadir = $(prefix)/share/mardini

# ---- flags ---------------------------------------------------------------------

api = $(shell sed -n 's/^.define MARDINI_API_VERSION_$(1) //p' $(TOP)/model/mardini.h)
API_MAJOR := $(call api,MAJOR)
API_VERSION := $(API_MAJOR).$(call api,MINOR).$(call api,PATCH)
LIBRARY := $(BUILD)/libmardini.so.$(API_VERSION)
FFMPEG := $(BUILD)/$(FFMPEG_KIND)-$(FFMPEG_SERIES)
COMPILE := $(CXX) -std=gnu++20 $(CXXFLAGS) -D_GLIBCXX_USE_CXX11_ABI=$(ABI) -Wall -Wextra -fPIC -fvisibility=hidden \
    -MMD -MP -I$(BUILD) -I$(TOP)/model
# FFmpeg's static libraries, and what they in turn need, as its own programs link them
AV_LIBS := avfilter avformat avcodec postproc swscale swresample avutil
AV_LINK = $(foreach l,$(AV_LIBS),$(shell ls $(FFMPEG)/lib$(l)/lib$(l).a 2>/dev/null)) \
    $(foreach l,$(AV_LIBS),$(shell sed -n 's/^EXTRALIBS-$(l)=//p' $(FFMPEG)/ffbuild/config.mak))

# ---- what there is ---------------------------------------------------------------

sources = $(patsubst $(TOP)/%.cpp,$(BUILD)/%.o,$(wildcard $(TOP)/$(1)))
BASE_OBJS := $(call sources,model/base/*.cpp)
API_OBJS := $(BASE_OBJS) $(call sources,model/timeline/*.cpp) $(call sources,model/library/*.cpp)
TOOL_OBJS := $(call sources,model/tool/*.cpp)
TORCH_OBJS := $(foreach d,simd network frame paint engine,$(call sources,model/$(d)/*.cpp))
# What both libraries have a copy of
SHARED_OBJS := $(BASE_OBJS) $(BUILD)/model/timeline/references.o
CUDA_OBJS := $(if $(NVCC),$(patsubst $(TOP)/%.cu,$(BUILD)/%.o,$(wildcard $(TOP)/model/paint/cuda/*.cu)))
TRAIN_OBJS := $(foreach d,train train/data train/report,$(call sources,model/$(d)/*.cpp))
EVAL_OBJS := $(call sources,model/eval/*.cpp)
TEST_OBJS := $(call sources,tests/*/test_*.cpp)
TESTS := $(TEST_OBJS:.o=)
# These see the library as a caller does; the others are linked with all of it and LibTorch.
API_TESTS := $(filter $(addprefix $(BUILD)/tests/,timeline/% api/% filter/%),$(TESTS))
TORCH_TESTS := $(filter-out $(API_TESTS),$(TESTS))
WEIGHTS := $(wildcard $(TOP)/model/weights/*.safetensors)
LIBRARIES := $(LIBRARY) $(BUILD)/libmardini_torch.so $(BUILD)/weights
PROGRAMS := $(BUILD)/ffmpeg $(if $(TOOL_OBJS),$(BUILD)/mardini)

all: $(LIBRARIES) $(PROGRAMS)

# ---- objects -------------------------------------------------------------------

ALL_OBJS := $(API_OBJS) $(TORCH_OBJS) $(TRAIN_OBJS) $(EVAL_OBJS) $(TOOL_OBJS) $(TEST_OBJS) $(BUILD)/tests/support/main.o
$(BUILD)/flags: | $(BUILD)/config.mak ;
$(ALL_OBJS): $(BUILD)/%.o: $(TOP)/%.cpp $(BUILD)/flags
	$(Q)mkdir -p $(@D)
	$(call say,CXX,$*.o)$(COMPILE) $(EXTRA) -c $< -o $@
$(CUDA_OBJS): $(BUILD)/%.o: $(TOP)/%.cu $(BUILD)/flags
	$(Q)mkdir -p $(@D)
	$(call say,NVCC,$*.o)$(NVCC) -std=c++17 -O2 -D_GLIBCXX_USE_CXX11_ABI=$(ABI) -Xcompiler -fPIC,-fvisibility=hidden,-Wall,-Wextra \
	    -MMD -MP -I$(TOP)/model -c $< -o $@
-include $(ALL_OBJS:.o=.d) $(CUDA_OBJS:.o=.d)

$(TORCH_OBJS): EXTRA = $(TORCH_CFLAGS)
# Their loops are shared among LibTorch's threads; without it at::parallel_for is one thread's.
$(addprefix $(BUILD)/model/,engine/engine.o frame/frame.o paint/cpu.o simd/matching.o): EXTRA = $(TORCH_CFLAGS) -fopenmp
$(BUILD)/model/library/mardini.o: EXTRA = -DMARDINI_PREFIX='"$(prefix)"'
$(BUILD)/model/library/mardini.o: $(BUILD)/prefix
$(BUILD)/tests/%.o: EXTRA = $(TORCH_CFLAGS) -I$(TOP)/tests -isystem $(FFMPEG) $(TEST_DEFINES)
TEST_DEFINES = -DMARDINI_BUILD='"$(OUT)"' -DMARDINI_SRC='"$(TOP)"'
# Trainer, evaluation and tool read clips by FFmpeg's libraries, whose headers are whole once it is built.
$(TRAIN_OBJS) $(EVAL_OBJS) $(TOOL_OBJS): EXTRA = $(TORCH_CFLAGS) -isystem $(FFMPEG) -DMARDINI_HAVE_LIBAV
$(TRAIN_OBJS) $(EVAL_OBJS) $(TOOL_OBJS) $(TEST_OBJS): | $(BUILD)/ffmpeg

# The prefix of this run: another one compiles its path anew.
ifneq ($(shell cat $(BUILD)/prefix 2>/dev/null),$(prefix))
.PHONY: $(BUILD)/prefix
endif
$(BUILD)/prefix:
	@echo '$(prefix)' > $@

# ---- libraries -------------------------------------------------------------------

$(LIBRARY): $(API_OBJS)
	$(call say,LINK,$@)$(CXX) -shared $(LDFLAGS) -Wl,-soname,libmardini.so.$(API_MAJOR) -Wl,-z,defs -o $@ $^ -ldl -pthread
	$(Q)ln -sf $(@F) $(BUILD)/libmardini.so.$(API_MAJOR) && ln -sf $(@F) $(BUILD)/libmardini.so

# One symbol goes out; libtorch.so stays on the list, since it brings the CUDA half.
$(BUILD)/libmardini_torch.so: $(TORCH_OBJS) $(SHARED_OBJS) $(CUDA_OBJS)
	@echo '{ global: mardini_engine; local: *; };' > $(BUILD)/torch.map
	$(call say,LINK,$@)$(CXX) -shared $(LDFLAGS) -Wl,--version-script=$(BUILD)/torch.map -Wl,-z,defs -o $@ $^ $(TORCH_LDFLAGS) $(CUDA_LDFLAGS) -ldl -pthread

$(BUILD)/weights:
	@ln -sfn $(TOP)/model/weights $@

fill_pc = sed -e 's|@PREFIX@|$(1)|; s|@LIBDIR@|$(2)|; s|@INCLUDEDIR@|$(3)|; s|@VERSION@|$(API_VERSION)|' $(TOP)/libmardini.pc.in
$(BUILD)/pkgconfig/libmardini.pc: $(TOP)/libmardini.pc.in $(BUILD)/config.mak
	@mkdir -p $(@D) && $(call fill_pc,$(OUT),$(OUT),$(TOP)/model) > $@

# ---- programs ------------------------------------------------------------------

# $(call ffmpeg,KIND,SERIES,where its programs look for libmardini.so): both words of $ORIGIN are the linker's
ffmpeg = TOP=$(TOP) BUILD=$(OUT) MAKE='$(MAKE)' V=$(V) FFMPEG_OPTIONS='$(FFMPEG_OPTIONS)' RUN_PATH='$(3)' \
    $(TOP)/scripts/build-ffmpeg $(1) $(2) $(OUT)/$(1)-$(2)
$(BUILD)/ffmpeg: $(wildcard $(TOP)/libavfilter/*) $(wildcard $(TOP)/patches/$(FFMPEG_SERIES)/*) $(TOP)/model/mardini.h \
    $(BUILD)/config.mak $(TOP)/scripts/build-ffmpeg $(TOP)/scripts/ffmpeg-parts | $(LIBRARY) $(BUILD)/pkgconfig/libmardini.pc
	+$(Q)FFMPEG_SOURCE='$(FFMPEG_SOURCE)' $(call ffmpeg,$(FFMPEG_KIND),$(FFMPEG_SERIES),$$ORIGIN:$$ORIGIN/../lib)
	$(call say,LINK,$@)cp -f $(FFMPEG)/ffprobe $(BUILD)/ffprobe && cp -f $(FFMPEG)/ffmpeg $@

# The filter that it scores is libavfilter's, which finds libmardini.so as build/ffmpeg does.
$(BUILD)/mardini: $(TOOL_OBJS) $(EVAL_OBJS) $(TRAIN_OBJS) $(TORCH_OBJS) $(SHARED_OBJS) $(CUDA_OBJS) $(BUILD)/ffmpeg
	$(call say,LINK,$@)$(CXX) $(LDFLAGS) -o $@ $(filter %.o,$^) $(AV_LINK) $(TORCH_LDFLAGS) $(CUDA_LDFLAGS) -ldl -pthread \
	    -Wl,-rpath,'$$ORIGIN:$$ORIGIN/../lib'

# ---- tests ---------------------------------------------------------------------

$(BUILD)/tests/libmardini.a: $(API_OBJS) $(TORCH_OBJS) $(CUDA_OBJS) $(TRAIN_OBJS) $(EVAL_OBJS)
	$(Q)mkdir -p $(@D) && rm -f $@
	$(call say,AR,$@)ar crs $@ $^
$(API_TESTS): %: %.o $(BUILD)/tests/support/main.o | $(LIBRARY)
	$(call say,LINK,$@)$(CXX) $(LDFLAGS) -o $@ $^ $(CATCH_LIBS) -L$(BUILD) -lmardini -Wl,-rpath,$(OUT) -pthread
# The filter itself is among what they link: it is FFmpeg's.
$(TORCH_TESTS): %: %.o $(BUILD)/tests/support/main.o $(BUILD)/tests/libmardini.a $(BUILD)/ffmpeg
	$(call say,LINK,$@)$(CXX) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(CATCH_LIBS) $(AV_LINK) $(TORCH_LDFLAGS) $(CUDA_LDFLAGS) -Wl,-rpath,$(OUT) -ldl -pthread

# The header alone, as C and as C++
$(BUILD)/tests/header: $(TOP)/model/mardini.h
	@mkdir -p $(@D)
	$(call say,CC,mardini.h)$(CC) -std=c99 -pedantic -Wall -Wextra -Werror -fsyntax-only -x c $<
	$(Q)$(CXX) -std=c++11 -pedantic -Wall -Wextra -Werror -fsyntax-only -x c++ $< && touch $@

check: all $(TESTS) $(BUILD)/tests/header
	$(Q)BUILD=$(OUT) TOP=$(TOP) $(TOP)/scripts/run-tests $(API_TESTS) avx2 $(TORCH_TESTS)

# What takes minutes: every size, soaks, large frames
check-slow: all $(TESTS)
	$(Q)BUILD=$(OUT) TOP=$(TOP) TEST_ARGS='[.]' $(TOP)/scripts/run-tests $(filter %/test_sizes %/test_soak,$(TESTS))

SERIES := $(notdir $(wildcard $(TOP)/patches/*))
check-versions: $(LIBRARIES) $(BUILD)/pkgconfig/libmardini.pc $(filter $(BUILD)/tests/filter/%,$(TESTS))
	+$(Q)for s in $(SERIES); do FFMPEG_SOURCE= $(call ffmpeg,min,$$s,$(OUT)) && rc=0 || rc=$$?; \
	    echo $$rc > $(BUILD)/min-$$s.result; done
	$(Q)BUILD=$(OUT) TOP=$(TOP) $(TOP)/scripts/run-tests $(foreach s,$(SERIES),ffmpeg=$(s) $(filter $(BUILD)/tests/filter/%,$(TESTS)))

check-cuda:
	$(Q)LIBTORCH=$(TORCH_ROOT) ABI=$(ABI) OUT=$(OUT)/cuda CXX='$(CXX)' $(TOP)/scripts/check-cuda

# ---- sanitizers ------------------------------------------------------------------

# The library's own code under gcc's sanitizers, in a build of its own; LibTorch, FFmpeg, trainer and evaluation stay as
# they are.
ASAN_TESTS := timeline/test_timeline timeline/test_timeline_jobs api/test_api api/test_sizes network/test_network paint/test_cpu
check-asan: all
	$(Q)mkdir -p $(BUILD)/asan && cp -p $(BUILD)/config.mak $(BUILD)/config.h $(BUILD)/flags $(BUILD)/asan/
	$(Q)for f in $(FFMPEG_KIND)-$(FFMPEG_SERIES) ffmpeg ffprobe weights; do ln -sfn $(OUT)/$$f $(BUILD)/asan/$$f; done
	+$(Q)$(MAKE) -f $(TOP)/Makefile BUILD=$(OUT)/asan CXXFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined' \
	    LDFLAGS='-fsanitize=address,undefined' TRAIN_OBJS= EVAL_OBJS= $(OUT)/asan/libmardini_torch.so $(ASAN_TESTS:%=$(OUT)/asan/tests/%)
	$(Q)ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0 BUILD=$(OUT)/asan TOP=$(TOP) $(TOP)/scripts/run-tests $(ASAN_TESTS:%=$(OUT)/asan/tests/%)

# libFuzzer's targets run beside libmardini_torch.so, whose folder they take for their own.
FUZZ := clang++-14 -g -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -D__SANITIZE_ADDRESS__
FUZZ_SECONDS ?= 600
fuzz_objects = $(patsubst %,$(BUILD)/fuzz/%.o,$(1))
$(BUILD)/fuzz/%.o: $(TOP)/%.cpp $(BUILD)/ffmpeg
	@mkdir -p $(@D)
	$(call say,FUZZ,$*.o)$(FUZZ) -std=gnu++20 -I$(BUILD) -I$(TOP)/model -isystem $(FFMPEG) $(TORCH_CFLAGS) -D__STDC_CONSTANT_MACROS -w -c $< -o $@
$(BUILD)/fuzz/vf_mardini.o: $(TOP)/libavfilter/vf_mardini.c $(BUILD)/ffmpeg
	@mkdir -p $(@D)
	$(call say,FUZZ,vf_mardini.o)$(FUZZ:clang++%=clang%) -std=c17 -I$(FFMPEG) -I$(FFMPEG)/libavfilter -I$(TOP)/model -DHAVE_AV_CONFIG_H -D_GNU_SOURCE -w -c $< -o $@
$(BUILD)/fuzz_filter: $(BUILD)/fuzz/vf_mardini.o $(call fuzz_objects,tests/fuzz/fuzz_filter $(API_OBJS:$(BUILD)/%.o=%)) $(BUILD)/libmardini_torch.so
	$(call say,LINK,$@)$(FUZZ) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(AV_LINK) -Wl,-rpath,'$$ORIGIN' -ldl -pthread
$(BUILD)/fuzz_checkpoint: $(call fuzz_objects,tests/fuzz/fuzz_checkpoint model/network/checkpoint) $(filter-out %/checkpoint.o,$(TORCH_OBJS)) $(SHARED_OBJS) $(CUDA_OBJS)
	$(call say,LINK,$@)$(FUZZ) -fsanitize=fuzzer -o $@ $^ $(TORCH_LDFLAGS) $(CUDA_LDFLAGS) -ldl -pthread
fuzz: $(BUILD)/fuzz_filter $(BUILD)/fuzz_checkpoint
	$(Q)for f in filter checkpoint; do mkdir -p $(BUILD)/fuzz/corpus-$$f && ASAN_OPTIONS=detect_leaks=0 $(BUILD)/fuzz_$$f -max_total_time=$(FUZZ_SECONDS) \
	    -rss_limit_mb=4096 -timeout=120 -artifact_prefix=$(BUILD)/fuzz/ -print_final_stats=1 $(BUILD)/fuzz/corpus-$$f || exit 1; done

# ---- demo, install, clean ------------------------------------------------------

$(BUILD)/demo/summary.txt: $(TOP)/demo/walk.mp4 $(TOP)/scripts/demo $(LIBRARIES) $(BUILD)/ffmpeg $(WEIGHTS)
	$(Q)BUILD=$(OUT) TOP=$(TOP) $(TOP)/scripts/demo $< $(@D)
demo: $(BUILD)/demo/summary.txt
	@cat $<

to = $(DESTDIR)$(1)
install: all
	install -d $(call to,$(bindir)) $(call to,$(libdir))/pkgconfig $(call to,$(includedir)) $(call to,$(datadir))
	install $(BUILD)/ffprobe $(PROGRAMS) $(call to,$(bindir))
	install -m 644 $(LIBRARY) $(BUILD)/libmardini_torch.so $(call to,$(libdir))
	ln -sf $(notdir $(LIBRARY)) $(call to,$(libdir))/libmardini.so.$(API_MAJOR)
	ln -sf libmardini.so.$(API_MAJOR) $(call to,$(libdir))/libmardini.so
	install -m 644 $(TOP)/model/mardini.h $(call to,$(includedir))
	$(if $(WEIGHTS),install -m 644 $(WEIGHTS) $(call to,$(datadir)))
	$(call fill_pc,$(prefix),$(libdir),$(includedir)) > $(call to,$(libdir))/pkgconfig/libmardini.pc

uninstall:
	rm -f $(addprefix $(call to,$(bindir))/,ffmpeg ffprobe mardini) $(call to,$(includedir))/mardini.h \
	    $(addprefix $(call to,$(libdir))/,$(notdir $(LIBRARY)) libmardini.so.$(API_MAJOR) libmardini.so libmardini_torch.so pkgconfig/libmardini.pc)
	rm -f $(addprefix $(call to,$(datadir))/,$(notdir $(WEIGHTS)))
	-rmdir $(call to,$(datadir)) 2> /dev/null || true # a user's own networks stay

clean:
	rm -rf $(BUILD)/model $(BUILD)/tests $(BUILD)/cuda $(BUILD)/fuzz $(BUILD)/fuzz_* $(BUILD)/asan $(BUILD)/demo $(BUILD)/libmardini* $(BUILD)/ffmpeg $(BUILD)/ffprobe $(BUILD)/mardini

endif
