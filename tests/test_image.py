"""The Dockerfile carried out without Docker: its steps, its entry point, its health check."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dockerfile import build_context, exec_form, read_stages
from processes import RunIn, clean_environment
from projects import dist_name, prefix_of
from rendering import Renderer

# One worker, so that the image is built once.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("image")]


class Image:
    """What `docker build` would make, made in a folder: each step runs as the Dockerfile has it."""

    def __init__(self, project: Path, root: Path, uv: str) -> None:
        self.root = root
        self.project = project
        self._uv = uv
        self._stages = read_stages(project / "deploy/Dockerfile")
        self.runtime = self._stages["runtime"]

    def path(self, inside: str) -> Path:
        """Return where an absolute path of the image is on this machine."""
        return self.root / inside.lstrip("/")

    def build(self) -> None:
        """Carry out the stage `build` in a context that holds only what .dockerignore lets in."""
        context = self.root / "context"
        for allowed in build_context(self.project):
            copy = context / allowed
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.project / allowed, copy)
        stage = self._stages["build"]
        settings = {
            name: str(self.path(value)) if value.startswith("/") else value
            for name, value in stage.environment().items()
        }
        bin_folder = self.path("/usr/local/bin")
        bin_folder.mkdir(parents=True)
        (bin_folder / "uv").symlink_to(self._uv)
        environment = clean_environment(online=True, **settings)
        del environment["PYTHONPATH"]  # it names src, which must not be needed
        environment["PATH"] = f"{bin_folder}{os.pathsep}{environment['PATH']}"
        folder = self.root
        for keyword, rest in stage.steps:
            if keyword == "WORKDIR":
                folder = self.path(rest)
                folder.mkdir(parents=True)
            elif keyword == "COPY" and not rest.startswith("--from="):
                *sources, target = rest.split()
                for name in sources:
                    self._copy(context / name, folder / target)
            elif keyword == "RUN":
                self._run(re.sub(r"--mount=\S+\s*", "", rest), folder, environment)
        shutil.rmtree(folder)  # the next stage takes /opt/venv alone
        shutil.rmtree(context)

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)

    @staticmethod
    def _run(command: str, folder: Path, environment: dict[str, str]) -> None:
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"

    def environment(self, **settings: str) -> dict[str, str]:
        """Return the environment of a container: nothing of this machine but its PATH."""
        env = self.runtime.environment()
        path = f"{self.path('/opt/venv/bin')}{os.pathsep}{os.environ['PATH']}"
        return env | {"PATH": path, "HOME": "/nonexistent"} | settings

    @contextmanager
    def container(self, **settings: str) -> Iterator["subprocess.Popen[str]"]:
        """Start the entry point on the loopback interface; stop it as Docker would."""
        program, *arguments = exec_form(self.runtime.last("ENTRYPOINT"))
        assert arguments[-2:] == ["--host", "0.0.0.0"]
        arguments[-1] = "127.0.0.1"
        folder = self.path("/tmp")
        folder.mkdir(exist_ok=True)
        process = subprocess.Popen(
            [str(self.path("/opt/venv/bin") / program), *arguments],
            cwd=folder,
            env=self.environment(**settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def files(self) -> dict[str, int]:
        """Return every file with the time of its last change, in nanoseconds."""
        paths = (p for p in self.path("/opt").rglob("*") if p.is_file())
        return {str(p): p.stat().st_mtime_ns for p in paths}


@pytest.fixture(scope="module")
def image(
    render: Renderer, tmp_path_factory: pytest.TempPathFactory, uv: str, run_in: RunIn
) -> Image:
    """Build the image of a project with the default answers."""
    project = render.fresh("cookiecutter")
    run_in(project, uv, "lock", "--quiet", online=True)
    image = Image(project, tmp_path_factory.mktemp("image"), uv)
    image.build()
    return image


def free_port() -> int:
    """Return a TCP port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def fetch(url: str, data: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Return status and body of a request to a server of this test."""
    request = urllib.request.Request(url, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def wait_until_it_listens(process: "subprocess.Popen[str]", port: int) -> None:
    """Return once a connection is accepted, or fail with what the process printed."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"it ended with {process.returncode}:\n{process.communicate()[0]}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("it did not listen within 30 s")


def test_image_builds_boots_answers_and_stops(image: Image) -> None:
    prefix, port = prefix_of(image.project), free_port()
    before = image.files()
    settings = {
        f"{prefix}SERVER__PORT": str(port),
        f"{prefix}SECURITY__ALLOWED_HOSTS": "api.example.com",
    }
    with image.container(**settings) as process:
        wait_until_it_listens(process, port)
        # Probes come with the address as their host, whatever names the service answers to.
        assert fetch(f"http://127.0.0.1:{port}/health/live")[0] == 200
        assert fetch(f"http://127.0.0.1:{port}/health/ready")[0] == 200
        command = exec_form(image.runtime.last("HEALTHCHECK").partition(" CMD ")[2])
        healthy = subprocess.run(
            command, env=image.environment(**settings), capture_output=True, timeout=20
        )
        assert healthy.returncode == 0, healthy.stderr
        process.send_signal(getattr(signal, image.runtime.last("STOPSIGNAL")))
        output = process.communicate(timeout=20)[0]
        assert process.returncode in {0, -signal.SIGTERM}, output
        events = [json.loads(line)["event"] for line in output.splitlines()]
        assert "service_stopped" in events
    assert image.files() == before, "a read-only file system would have refused this write"


def test_health_check_of_the_image_fails_when_nobody_answers(image: Image) -> None:
    settings = {f"{prefix_of(image.project)}SERVER__PORT": str(free_port())}
    command = exec_form(image.runtime.last("HEALTHCHECK").partition(" CMD ")[2])
    done = subprocess.run(
        command, env=image.environment(**settings), capture_output=True, timeout=20
    )
    assert done.returncode != 0


def test_image_refuses_to_start_without_production_settings(image: Image) -> None:
    with image.container() as process:
        output = process.communicate(timeout=30)[0]
    assert process.returncode == 1
    assert f"{prefix_of(image.project)}SECURITY__ALLOWED_HOSTS" in output
    assert "Traceback" not in output


def test_image_holds_no_development_tool(image: Image) -> None:
    names = {p.name for p in image.path("/opt/venv/bin").iterdir()}
    assert dist_name(image.project) in names
    assert names & {"pytest", "ruff", "ty", "pre-commit", "uv", "zensical"} == set()


def test_readme_request_is_answered(image: Image) -> None:
    readme = (image.project / "README.md").read_text("utf-8")
    lines = [shlex.split(line) for line in readme.splitlines() if line.startswith("curl ")]
    (ready,) = [line for line in lines if "-d" not in line]
    (order,) = [line for line in lines if "-d" in line]
    prefix, port = prefix_of(image.project), free_port()
    settings = {f"{prefix}SERVER__PORT": str(port), f"{prefix}ENVIRONMENT": "development"}
    with image.container(**settings) as process:
        wait_until_it_listens(process, port)
        here = f"127.0.0.1:{port}"
        assert fetch(ready[-1].replace("127.0.0.1:8000", here))[0] == 200
        body = order[order.index("-d") + 1].encode()
        name, _, value = order[order.index("-H") + 1].partition(": ")
        url = order[-1].replace("127.0.0.1:8000", here)
        status, answer = fetch(url, body, **{name: value})
        assert status == 201, answer
