"""``fairseq-flexdepth doctor``: every finding against made-up environments, then against this one."""

import ast
import json
import sys
import types
from pathlib import Path

import pytest

from fairseq_flexdepth.cli import doctor, stack_versions
from fairseq_flexdepth.cli.main import main
from fairseq_flexdepth.cli.stack_versions import FAIL, OK, WARN, Check, Environment

STACK_A = {
    "fairseq-fixed": "0.12.3.1",
    "torch": "2.13.0+cpu",
    "numpy": "2.4.6",
    "hydra-core": "1.3.2",
    "omegaconf": "2.3.0",
    "pip": "25.0",
}
STACK_B = {
    "fairseq": "0.12.2",
    "torch": "1.12.1",
    "numpy": "1.23.5",
    "hydra-core": "1.0.7",
    "omegaconf": "2.0.6",
    "pip": "24.0",
}
SETUP = ast.parse((Path(__file__).parents[2] / "setup.py").read_text(encoding="utf-8"))
EXTRAS = next(
    ast.literal_eval(node.value)
    for node in SETUP.body
    if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "EXTRAS_REQUIRE"
)
OPTIONAL = dict.fromkeys(stack_versions.OPTIONAL, "1.0")


def _environment(stack, python=None, **changes):
    python = python or ((3, 11, 7) if stack is STACK_A else (3, 9, 18))
    named = {name.replace("_", "-"): version for name, version in changes.items()}
    return Environment(python, {**stack, **OPTIONAL, **named})


@pytest.mark.parametrize("stack", [STACK_A, STACK_B])
def test_a_supported_stack_is_fine(stack):
    findings = [check(_environment(stack)) for check in stack_versions.VERSION_CHECKS]
    assert {finding.status for finding in findings} == {OK}
    assert not any(finding.remedy for finding in findings)


@pytest.mark.parametrize(
    ("check", "environment", "status", "detail", "remedy"),
    [
        (
            stack_versions.check_python,
            _environment(STACK_B, (3, 7, 16)),
            FAIL,
            "3.7.16 is too old",
            "Python 3.8 or newer",
        ),
        (
            stack_versions.check_fairseq,
            _environment(STACK_B, (3, 12, 1)),
            FAIL,
            "fairseq 0.12.2 (stack B) does not import on Python 3.11 and newer",
            "pip install fairseq-fixed==0.12.3.1",
        ),
        (
            stack_versions.check_fairseq,
            _environment(STACK_A, (3, 9, 18)),
            WARN,
            "untested on Python below 3.11",
            "pip install fairseq==0.12.2",
        ),
        (
            stack_versions.check_fairseq,
            _environment(STACK_B, fairseq="0.10.2"),
            WARN,
            "untested version",
            "fairseq==0.12.2",
        ),
        (
            stack_versions.check_fairseq,
            _environment(STACK_A, fairseq="0.12.2"),
            FAIL,
            "overwrite each other's files",
            "pip uninstall -y fairseq fairseq-fixed",
        ),
        (
            stack_versions.check_fairseq,
            _environment({}, (3, 9, 18)),
            FAIL,
            "not installed",
            "pip install fairseq==0.12.2",
        ),
        (stack_versions.check_torch, _environment({}), FAIL, "not installed", "pip install torch==1.12.1"),
        (
            stack_versions.check_torch,
            _environment(STACK_B, torch="2.1.0"),
            WARN,
            "2.1.0 is untested",
            "torch==1.12.1",
        ),
        (
            stack_versions.check_torch,
            _environment(STACK_A, torch="1.13.1"),
            WARN,
            "1.13.1 is untested",
            "torch==2.13.0",
        ),
        (stack_versions.check_numpy, _environment({}), FAIL, "not installed", 'pip install "numpy<1.24"'),
        (
            stack_versions.check_numpy,
            _environment(STACK_B, numpy="1.24.0"),
            WARN,
            "no np.int and np.float",
            'pip install "numpy<1.24"',
        ),
        (
            stack_versions.check_numpy,
            _environment(STACK_B, numpy="2.0.2"),
            FAIL,
            "does not fit torch below 2.3",
            'pip install "numpy<1.24"',
        ),
        (
            stack_versions.check_numpy,
            _environment(STACK_A, torch="2.2.0"),
            FAIL,
            "does not fit torch below 2.3",
            'pip install "numpy<2"',
        ),
        (
            stack_versions.check_hydra,
            _environment(STACK_B, omegaconf="2.3.0"),
            FAIL,
            "omegaconf 2.3.0 do not fit stack B",
            'pip install "pip<24.1" && pip install hydra-core==1.0.7 omegaconf==2.0.6',
        ),
        (
            stack_versions.check_hydra,
            _environment(STACK_A, hydra_core=None),
            FAIL,
            "hydra-core missing",
            "hydra-core==1.3.2 omegaconf==2.3.0",
        ),
        (
            stack_versions.check_pip,
            _environment(STACK_B, pip="24.1"),
            WARN,
            "refuses to install omegaconf",
            "pip<24.1",
        ),
    ],
)
def test_what_does_not_fit(check, environment, status, detail, remedy):
    finding = check(environment)
    assert finding.status == status
    assert detail in finding.detail
    assert remedy in finding.remedy


@pytest.mark.parametrize("distribution", stack_versions.OPTIONAL)
def test_a_missing_optional_package_is_a_warning(distribution):
    environment = _environment(STACK_A)
    environment.versions[distribution] = None
    findings = {check(environment).name: check(environment) for check in stack_versions.VERSION_CHECKS}
    extra = next((name for name, packages in EXTRAS.items() if distribution in packages), None)
    assert findings[distribution] == Check(
        distribution,
        WARN,
        f"not installed: {stack_versions.OPTIONAL[distribution]}",
        f"pip install 'fairseq_flexdepth[{extra}]'" if extra else f"pip install {distribution}",
    )


def test_missing_extensions(monkeypatch):
    monkeypatch.setitem(sys.modules, "fairseq.libbleu", None)  # what makes an import fail
    finding = doctor.check_extensions()
    assert finding.status == FAIL
    assert finding.detail.startswith("fairseq.libbleu (fairseq-generate's scores): ")
    assert "C++ compiler" in finding.remedy


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty current directory, and a fairseq in a site-packages without our package."""
    site_packages, here = tmp_path / "site-packages", tmp_path / "here"
    (site_packages / "fairseq").mkdir(parents=True)
    here.mkdir()
    monkeypatch.chdir(here)
    fairseq = types.SimpleNamespace(__file__=str(site_packages / "fairseq" / "__init__.py"), __path__=["here"])
    monkeypatch.setitem(sys.modules, "fairseq", fairseq)
    return site_packages, here, fairseq


def test_user_dir_beside_fairseq(elsewhere):
    site_packages = elsewhere[0]
    (site_packages / "fairseq_flexdepth" / "cli").mkdir(parents=True)
    (site_packages / "fairseq_flexdepth" / "cli" / "doctor.py").touch()
    assert doctor.check_user_dir().status == OK


def test_user_dir_that_fairseq_does_not_find(elsewhere):
    finding = doctor.check_user_dir()
    missing = "no folder fairseq_flexdepth in the current directory or beside fairseq"
    assert (finding.status, finding.detail) == (WARN, missing)
    assert "pip install ." in finding.remedy


def test_a_folder_here_shadows_the_package(elsewhere):
    here = elsewhere[1]
    (here / "fairseq_flexdepth").mkdir()
    finding = doctor.check_user_dir()
    assert (finding.status, finding.detail) == (
        FAIL,
        f"fairseq finds {here / 'fairseq_flexdepth'}, which is not this package",
    )
    assert "run from another directory" in finding.remedy


def test_a_folder_named_fairseq_shadows_fairseq(elsewhere):
    elsewhere[2].__file__ = None
    assert doctor.check_import() == Check("fairseq import", FAIL, "here is not fairseq", "run from another directory")


def test_what_depends_on_fairseq_is_left_out_when_it_does_not_import(monkeypatch):
    monkeypatch.setitem(sys.modules, "fairseq", None)
    checks = doctor.examine()
    assert len(checks) == len(stack_versions.VERSION_CHECKS) + 1
    assert checks[-1].name == "fairseq import"
    assert checks[-1].status == FAIL
    assert "import of fairseq halted" in checks[-1].detail


def test_this_environment_works():
    assert [check for check in doctor.examine() if check.status == FAIL] == []


FINDINGS = [Check("torch", OK, "2.13.0"), Check("pip", WARN, "too\nnew", "an older one")]


def test_text_has_one_line_a_finding(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "examine", lambda: FINDINGS)
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ok    torch  2.13.0",
        "warn  pip    too new  (remedy: an older one)",
        "",
        "Training and decoding will work.",
    ]


def test_a_failure_is_exit_status_1(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "examine", lambda: [*FINDINGS, Check("numpy", FAIL, "too new", "another")])
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out.endswith("\nTraining and decoding will not work: see fail above.\n")
    assert main(["doctor", "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert list(result) == ["ok", "stack", "checks"]
    assert result["ok"] is False
    assert result["checks"][2] == {
        "name": "numpy",
        "status": "fail",
        "detail": "too new",
        "remedy": "another",
    }
