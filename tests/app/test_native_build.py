"""Which build is missed on which machine; every machine but this one is made up."""

import pytest

from app.native_build import RECIPES, hardware, judge_backends, judge_processor, processor_flags

PLAIN = "CPU : SSE3 = 1 | AVX = 1 | AVX2 = 1 | F16C = 1 | FMA = 1 | BMI2 = 1 | LLAMAFILE = 1 | "
CPU = ["CPU: A processor"]


@pytest.mark.parametrize(
    ("found", "flag"),
    [(["CUDA", "Vulkan"], "GGML_CUDA"), (["ROCm"], "GGML_HIP"), (["Metal"], "GGML_METAL")],
)
def test_a_gpu_that_lies_idle_gets_the_exact_command(found, flag):
    finding = judge_backends(PLAIN, CPU, found, "0.3.36")[-1]

    assert finding.level == "warn"
    assert f'CMAKE_ARGS="-D{flag}=on" ' in finding.cure
    assert "llama-cpp-python==0.3.36`" in finding.cure


def test_a_build_that_uses_the_gpu_is_well():
    info = "CUDA : ARCHS = 900 | " + PLAIN

    findings = judge_backends(info, [*CPU, "CUDA0: NVIDIA H100"], ["CUDA"], "0.3.36")

    assert [one.level for one in findings] == ["ok", "ok"]
    assert findings[1].what == "the engine computes on CUDA0: NVIDIA H100"


def test_a_build_for_gpus_that_sees_none_is_told():
    finding = judge_backends("CUDA : ARCHS = 900 | " + PLAIN, CPU, ["CUDA"], "0.3.36")[-1]

    assert (finding.level, "sees no such device" in finding.what) == ("warn", True)


def test_without_a_gpu_nothing_is_missed():
    assert [one.level for one in judge_backends(PLAIN, CPU, [], "0.3.36")] == ["ok"]


def test_what_the_processor_offers_and_the_build_leaves_is_named():
    flags = {"avx2", "fma", "avx512f", "avx512_vnni", "amx_int8", "sse3"}

    finding = judge_processor(PLAIN, flags, "0.3.36")

    assert "offers AVX512, AVX512_VNNI, AMX_INT8, which" in finding.what
    assert "-DGGML_NATIVE=on -DCMAKE_C_FLAGS='-fno-tree-dse -fno-dse'" in finding.cure


def test_a_build_for_this_processor_is_well():
    finding = judge_processor(PLAIN, {"avx2", "fma", "f16c", "bmi2"}, "0.3.36")

    assert (finding.level, finding.cure) == ("ok", "")
    assert judge_processor(PLAIN, (), "0.3.36").level == "ok"


def test_flags_are_read_on_both_kinds_of_processor(tmp_path):
    (tmp_path / "proc").mkdir()
    file = tmp_path / "proc" / "cpuinfo"

    file.write_text("processor\t: 0\nflags\t\t: fpu avx2\n")
    assert processor_flags(tmp_path) == {"fpu", "avx2"}
    file.write_text("Features\t: asimd asimddp\n")
    assert processor_flags(tmp_path) == {"asimd", "asimddp"}
    assert processor_flags(tmp_path / "none") == frozenset()


def test_hardware_is_known_by_its_device_files(tmp_path):
    for name in ("dev/nvidia0", "dev/kfd", "dev/dri/renderD128"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    assert hardware(tmp_path, "linux") == ["CUDA", "ROCm", "Vulkan"]
    assert hardware(tmp_path / "none", "linux") == []
    assert hardware(tmp_path, "darwin") == ["Metal"]
    assert set(hardware(tmp_path, "linux")) <= set(RECIPES)
