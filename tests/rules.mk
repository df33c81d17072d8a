# Rules of tests, sanitizers and fuzzing; a part of the Makefile.

# Tests and benchmark of the painters take the first; the second, with FFmpeg, is for those of trainer and evaluation.
$(BUILD)/tests/libmardini.a: $(API_OBJS) $(TORCH_OBJS) $(CUDA_OBJS)
$(BUILD)/tests/libprogram.a: $(TRAIN_OBJS) $(EVAL_OBJS)
$(BUILD)/tests/%.a:
	$(Q)mkdir -p $(@D) && rm -f $@
	$(call say,AR,$@)ar crs $@ $^
$(API_TESTS): %: %.o $(BUILD)/tests/support/main.o | $(LIBRARY)
	$(call say,LINK,$@)$(CXX) $(LDFLAGS) -o $@ $^ $(CATCH_LIBS) -L$(BUILD) -lmardini -Wl,-rpath,$(OUT) -pthread
PAINT_TESTS := $(filter $(BUILD)/tests/paint/%,$(TORCH_TESTS))
BENCH := $(BUILD)/tests/paint/bench_cuda
$(PAINT_TESTS) $(BENCH): $(BUILD)/tests/libmardini.a
$(filter-out $(PAINT_TESTS),$(TORCH_TESTS)): $(BUILD)/tests/libprogram.a $(BUILD)/tests/libmardini.a $(FFMPEG_PROGRAM)
$(TORCH_TESTS): $(BUILD)/tests/support/main.o
$(TORCH_TESTS) $(BENCH): %: %.o
	$(call say,LINK,$@)$(CXX) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(CATCH_LIBS) $(AV_LINK) $(TORCH_LDFLAGS) $(CUDA_LDFLAGS) \
	    -Wl,-rpath,$(OUT) -ldl -pthread

run_tests = BUILD=$(OUT) TOP=$(TOP) $(TOP)/scripts/run-tests
folders = $(filter $(addprefix $(BUILD)/tests/,$(1)),$(TESTS))
# Programs that take longest come first; the processor's older instructions matter to the network and the painters.
check: all $(TESTS) style
	$(Q)$(run_tests) $(call folders,train/% eval/% filter/% api/% timeline/%) $(TOP)/tests/scripts/test_scripts \
	    avx2 $(call folders,network/% paint/%)

QUICK := $(call folders,timeline/% api/test_api api/test_library filter/test_filter_control filter/test_filter_messages network/test_network paint/test_cpu train/test_train)
check-quick: all $(QUICK) style
	$(Q)TEST_ARGS='~[slow]' $(run_tests) $(QUICK) $(TOP)/tests/scripts/test_scripts

style:
	$(Q)$(TOP)/scripts/style

# What takes minutes, or measures memory: every size, soaks, large frames
check-slow: all $(call folders,api/%)
	$(Q)TEST_JOBS=1 TEST_ARGS='[.]' $(run_tests) $(call folders,api/test_sizes api/test_soak)

SERIES := $(notdir $(wildcard $(TOP)/patches/*))
check-versions: $(LIBRARIES) $(BUILD)/pkgconfig/libmardini.pc $(call folders,filter/%)
	+$(Q)for s in $(SERIES); do FFMPEG_SOURCE= $(call ffmpeg,min,$$s,$(OUT)) && rc=0 || rc=$$?; \
	    echo $$rc > $(BUILD)/min-$$s.result; done
	$(Q)$(run_tests) $(foreach s,$(SERIES),ffmpeg=$(s) $(call folders,filter/%))

# MODELS: checkpoints or presets of the table; a preset has random weights.
MODELS ?= $(TOP)/model/weights/nano.safetensors small
check-cuda: $(PAINT_TESTS) $(BENCH)
	$(Q)TEST_JOBS=1 $(run_tests) $(PAINT_TESTS); rc=$$?; nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader; \
	    TMPDIR=$(OUT)/tests $(BENCH) $(MODELS) && exit $$rc

# ---- sanitizers ------------------------------------------------------------------

# The library's own code under gcc's sanitizers, in a build of its own; LibTorch, FFmpeg, trainer and evaluation stay as
# they are.
ASAN_TESTS := $(patsubst $(BUILD)/tests/%,%,$(filter-out %/test_soak,$(call folders,timeline/% api/% network/test_network paint/test_cpu)))
# One command, so that 'make -n' makes the folder before it looks into it
check-asan: all
	+$(Q)mkdir -p $(BUILD)/asan && cp -p $(BUILD)/config.mak $(BUILD)/config.h $(BUILD)/flags $(BUILD)/asan/ && \
	    for f in $(FFMPEG_KIND)-$(FFMPEG_SERIES) ffmpeg ffprobe weights; do ln -sfn $(OUT)/$$f $(BUILD)/asan/$$f; done && \
	    $(MAKE) -f $(TOP)/Makefile BUILD=$(OUT)/asan CXXFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined' \
	    LDFLAGS='-fsanitize=address,undefined' TRAIN_OBJS= EVAL_OBJS= $(OUT)/asan/libmardini_torch.so $(ASAN_TESTS:%=$(OUT)/asan/tests/%)
	$(Q)ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0 BUILD=$(OUT)/asan TOP=$(TOP) $(TOP)/scripts/run-tests $(ASAN_TESTS:%=$(OUT)/asan/tests/%)

# libFuzzer's targets run beside libmardini_torch.so, whose folder they take for their own.
FUZZ := clang++-14 -g -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -D__SANITIZE_ADDRESS__
FUZZ_SECONDS ?= 600
fuzz_objects = $(patsubst %,$(BUILD)/fuzz/%.o,$(1))
$(BUILD)/fuzz/%.o: $(TOP)/%.cpp $(BUILD)/ffmpeg
	@mkdir -p $(@D)
	$(call say,FUZZ,$*.o)$(FUZZ) -std=gnu++20 -I$(BUILD) -I$(TOP)/model -isystem $(FFMPEG) $(TORCH_CFLAGS) -D__STDC_CONSTANT_MACROS -w -c $< -o $@
FILTER_OBJS := $(patsubst $(TOP)/%.c,$(BUILD)/fuzz/%.o,$(wildcard $(TOP)/libavfilter/*.c))
$(FILTER_OBJS): $(BUILD)/fuzz/%.o: $(TOP)/%.c $(BUILD)/ffmpeg
	@mkdir -p $(@D)
	$(call say,FUZZ,$*.o)$(FUZZ:clang++%=clang%) -std=c17 -I$(FFMPEG) -I$(FFMPEG)/libavfilter -I$(TOP)/model -DHAVE_AV_CONFIG_H -D_GNU_SOURCE -w -c $< -o $@
$(BUILD)/fuzz_filter: $(FILTER_OBJS) $(call fuzz_objects,tests/fuzz/fuzz_filter $(API_OBJS:$(BUILD)/%.o=%)) $(BUILD)/libmardini_torch.so
	$(call say,LINK,$@)$(FUZZ) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(AV_LINK) -Wl,-rpath,'$$ORIGIN' -ldl -pthread
$(BUILD)/fuzz_checkpoint: $(call fuzz_objects,tests/fuzz/fuzz_checkpoint model/network/checkpoint) $(filter-out %/checkpoint.o,$(TORCH_OBJS)) $(SHARED_OBJS) $(CUDA_OBJS)
	$(call say,LINK,$@)$(FUZZ) -fsanitize=fuzzer -o $@ $^ $(TORCH_LDFLAGS) $(CUDA_LDFLAGS) -ldl -pthread
fuzz: $(BUILD)/fuzz_filter $(BUILD)/fuzz_checkpoint
	$(Q)for f in filter checkpoint; do mkdir -p $(BUILD)/fuzz/corpus-$$f && ASAN_OPTIONS=detect_leaks=0 $(BUILD)/fuzz_$$f -max_total_time=$(FUZZ_SECONDS) \
	    -rss_limit_mb=4096 -timeout=120 -artifact_prefix=$(BUILD)/fuzz/ -print_final_stats=1 $(BUILD)/fuzz/corpus-$$f || exit 1; done
