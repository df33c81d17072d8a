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
.PHONY: all demo check check-quick style check-asan check-cuda check-slow check-versions fuzz install uninstall clean distclean help
all:

help:
	@echo "make                  build/ffmpeg with the filter, the library and the program mardini"
	@echo "make demo             a clip in slow motion, with pictures of it"
	@echo "make check            build and run every test, and make style"
	@echo "make check-quick      a part of them that takes under three minutes, and make style"
	@echo "make style            layout (clang-format), includes and sizes of the source"
	@echo "make check-slow       what takes minutes: every size, soaks, large frames"
	@echo "make check-asan       the library under gcc's address and undefined behaviour sanitizers"
	@echo "make fuzz             checkpoint reader and filter under libFuzzer, ten minutes each (clang-14)"
	@echo "make check-versions   run the filter's tests in each FFmpeg that there are patches for"
	@echo "make check-cuda       tests and speed table on this machine's CUDA device"
	@echo "make install          into PREFIX (prefix=DIR, DESTDIR=DIR); make uninstall takes it away"
	@echo "make clean            remove our objects; make distclean: all that was built or fetched"

distclean:
ifeq ($(BUILD),build)
	rm -rf build
else
	rm -rf $(addprefix $(BUILD)/,ffmpeg ffprobe mardini lib* pkgconfig weights model tests fuzz fuzz_* asan demo torch download \
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
    -MMD -MP -I$(BUILD) -I$(TOP)/model $(HEADERS_CFLAGS)
# Without -fopenmp at::parallel_for runs on one thread.
WITH_TORCH := $(TORCH_CFLAGS) -fopenmp

# ---- what there is ---------------------------------------------------------------

# $(call objects,FOLDER...): of the C++ files in them and in the folders in them
objects = $(patsubst $(TOP)/%.cpp,$(BUILD)/%.o,$(foreach d,$(1),$(wildcard $(TOP)/$(d)/*.cpp $(TOP)/$(d)/*/*.cpp)))
BASE_OBJS := $(call objects,model/base)
# These need no LibTorch, all others do.
API_OBJS := $(BASE_OBJS) $(call objects,model/timeline model/library)
TORCH_OBJS := $(call objects,$(addprefix model/,simd network frame paint engine))
# What both libraries have a copy of
SHARED_OBJS := $(BASE_OBJS) $(BUILD)/model/timeline/references.o
CUDA_OBJS := $(if $(NVCC),$(patsubst $(TOP)/%.cu,$(BUILD)/%.o,$(wildcard $(TOP)/model/paint/cuda/*.cu)))
TRAIN_OBJS := $(call objects,model/train)
EVAL_OBJS := $(call objects,model/eval)
TOOL_OBJS := $(call objects,model/tool)
TEST_OBJS := $(patsubst $(TOP)/%.cpp,$(BUILD)/%.o,$(wildcard $(TOP)/tests/*/test_*.cpp))
ifeq ($(FFMPEG_KIND),none)
# What is left of evaluation, tool and tests without FFmpeg
EVAL_OBJS := $(filter $(addprefix %/,metrics.o frame_metrics.o drift.o motion_metrics.o costs.o),$(EVAL_OBJS))
TOOL_OBJS := $(filter-out %/eval_command.o %/info_command.o,$(TOOL_OBJS))
TEST_OBJS := $(filter-out $(BUILD)/tests/eval/% $(patsubst $(TOP)/%.cpp,$(BUILD)/%.o,\
    $(shell grep -lE 'support/ffmpeg.h|"ffmpeg"' $(TOP)/tests/*/*.cpp)),$(TEST_OBJS))
else
FFMPEG_PROGRAM := $(BUILD)/ffmpeg
# What reads clips by FFmpeg's libraries
AV_OBJS := $(filter %/decode.o,$(TRAIN_OBJS)) $(EVAL_OBJS) $(TOOL_OBJS)
# These libraries, and what they in turn need, as FFmpeg's own programs link them
AV_LIBS := avfilter avformat avcodec postproc swscale swresample avutil
AV_LINK = $(foreach l,$(AV_LIBS),$(shell ls $(FFMPEG)/lib$(l)/lib$(l).a 2>/dev/null)) \
    $(foreach l,$(AV_LIBS),$(shell sed -n 's/^EXTRALIBS-$(l)=//p' $(FFMPEG)/ffbuild/config.mak 2>/dev/null))
endif
TESTS := $(TEST_OBJS:.o=)
# These see the library as a caller does; the others are linked with all of it and LibTorch.
API_TESTS := $(filter $(addprefix $(BUILD)/tests/,timeline/% api/% filter/%),$(TESTS))
TORCH_TESTS := $(filter-out $(API_TESTS),$(TESTS))
WEIGHTS := $(wildcard $(TOP)/model/weights/*.safetensors)
LIBRARIES := $(LIBRARY) $(BUILD)/libmardini_torch.so $(BUILD)/weights
PROGRAMS := $(FFMPEG_PROGRAM) $(BUILD)/mardini

all: $(LIBRARIES) $(PROGRAMS)

# ---- objects -------------------------------------------------------------------

ALL_OBJS := $(API_OBJS) $(TORCH_OBJS) $(TRAIN_OBJS) $(EVAL_OBJS) $(TOOL_OBJS) $(TEST_OBJS) $(BUILD)/tests/support/main.o $(BUILD)/tests/paint/bench_cuda.o
$(BUILD)/flags: | $(BUILD)/config.mak ;
$(ALL_OBJS): $(BUILD)/%.o: $(TOP)/%.cpp $(BUILD)/flags
	$(Q)mkdir -p $(@D)
	$(call say,CXX,$*.o)$(COMPILE) $(EXTRA) -c $< -o $@
$(CUDA_OBJS): $(BUILD)/%.o: $(TOP)/%.cu $(BUILD)/flags
	$(Q)mkdir -p $(@D)
	$(call say,NVCC,$*.o)$(NVCC) -std=c++17 -O2 -D_GLIBCXX_USE_CXX11_ABI=$(ABI) -Xcompiler -fPIC,-fvisibility=hidden,-Wall,-Wextra \
	    -MMD -MP -I$(TOP)/model -c $< -o $@
-include $(ALL_OBJS:.o=.d) $(CUDA_OBJS:.o=.d)

$(TORCH_OBJS) $(TRAIN_OBJS) $(EVAL_OBJS) $(TOOL_OBJS): EXTRA = $(WITH_TORCH) $(AV_CFLAGS)
$(AV_OBJS): AV_CFLAGS = -isystem $(FFMPEG) -DMARDINI_HAVE_LIBAV
# FFmpeg's headers are whole once it is built.
$(AV_OBJS) $(filter $(BUILD)/tests/eval/%,$(TEST_OBJS)): | $(FFMPEG_PROGRAM)
# Where a network is looked for; the tool looks in the same places as the library.
FIND_MODEL := $(BUILD)/model/library/find_model.o
$(FIND_MODEL): EXTRA = -DMARDINI_PREFIX='"$(prefix)"'
$(FIND_MODEL): $(BUILD)/prefix
$(BUILD)/mardini $(BUILD)/tests/api/test_library: $(FIND_MODEL)
$(BUILD)/tests/%.o: EXTRA = $(WITH_TORCH) -I$(TOP)/tests -isystem $(FFMPEG) -DMARDINI_BUILD='"$(OUT)"' -DMARDINI_SRC='"$(TOP)"'

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
ifeq ($(FFMPEG_KIND),none)
$(BUILD)/ffmpeg:
	@echo 'this takes FFmpeg: run configure without --no-ffmpeg' >&2; exit 1
else
$(BUILD)/ffmpeg: $(wildcard $(TOP)/libavfilter/*) $(wildcard $(TOP)/patches/$(FFMPEG_SERIES)/*) $(TOP)/model/mardini.h \
    $(BUILD)/config.mak $(TOP)/scripts/build-ffmpeg $(TOP)/scripts/ffmpeg-parts | $(LIBRARY) $(BUILD)/pkgconfig/libmardini.pc
	+$(Q)FFMPEG_SOURCE='$(FFMPEG_SOURCE)' $(call ffmpeg,$(FFMPEG_KIND),$(FFMPEG_SERIES),$$ORIGIN:$$ORIGIN/../lib)
	$(call say,LINK,$@)cp -f $(FFMPEG)/ffprobe $(BUILD)/ffprobe && cp -f $(FFMPEG)/ffmpeg $@
endif

# The filter that it scores is libavfilter's, which finds libmardini.so as build/ffmpeg does.
$(BUILD)/mardini: $(TOOL_OBJS) $(EVAL_OBJS) $(TRAIN_OBJS) $(TORCH_OBJS) $(SHARED_OBJS) $(CUDA_OBJS) $(FFMPEG_PROGRAM)
	$(call say,LINK,$@)$(CXX) $(LDFLAGS) -o $@ $(filter %.o,$^) $(AV_LINK) $(TORCH_LDFLAGS) $(CUDA_LDFLAGS) -ldl -pthread \
	    -Wl,-rpath,'$$ORIGIN:$$ORIGIN/../lib'

include $(TOP)/tests/rules.mk

# ---- demo, install, clean ------------------------------------------------------

$(BUILD)/demo/summary.txt: $(TOP)/demo/walk.mp4 $(TOP)/scripts/demo $(LIBRARIES) $(BUILD)/ffmpeg $(WEIGHTS)
	$(Q)BUILD=$(OUT) TOP=$(TOP) $(TOP)/scripts/demo $< $(@D)
demo: $(BUILD)/demo/summary.txt
	@cat $<

to = $(DESTDIR)$(1)
install: all
	install -d $(call to,$(bindir)) $(call to,$(libdir))/pkgconfig $(call to,$(includedir)) $(call to,$(datadir))
	install $(PROGRAMS) $(FFMPEG_PROGRAM:ffmpeg=ffprobe) $(call to,$(bindir))
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
	rm -rf $(BUILD)/model $(BUILD)/tests $(BUILD)/fuzz $(BUILD)/fuzz_* $(BUILD)/asan $(BUILD)/demo $(BUILD)/libmardini* $(BUILD)/ffmpeg $(BUILD)/ffprobe $(BUILD)/mardini

endif
