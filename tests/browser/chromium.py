"""Debian's Chromium, unpacked and started without root: the browser of the tests, the same on every machine.

    chromium-156…/root/usr/lib/chromium/ld.so    a copy of the tree's loader. A program started by a loader takes the
                                                 loader's folder for its own, and Chromium's data lie here
    chromium-156…/chromium                       starts it so; Chromium starts its children with it too

It asks nobody beyond this machine anything: names are not resolved, and its own errands are switched off.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from tests import debian
from tests.debian import Tree

FLAGS = (
    # A zygote would be started as /proc/self/exe, which is the loader. Without it there is no sandbox;
    # the pages are our own, and root, as whom a container runs its tests, would not get one either.
    "--no-zygote",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-breakpad",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
    # The service's certificate is self-made. Without this each connection is made twice, and the service hears why.
    "--ignore-certificate-errors",
    # The player's sound is played, to nobody: there is no sound card where tests run.
    "--mute-audio",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",  # the same screenshots on every machine
)


def starter(tree: Tree) -> Path:
    """The command of the unpacked Chromium, made when it is not there."""
    program = tree.root / "usr" / "lib" / "chromium" / "chromium"
    loader = program.with_name("ld.so")
    if not loader.exists():
        shutil.copyfile(tree.loader, _aside(loader))
        _aside(loader).chmod(0o755)
        _aside(loader).replace(loader)
    command = tree.root.with_name("chromium")
    libraries = f"{program.parent}:{tree.libraries}:{tree.libraries}/pulseaudio"
    start = shlex.join([str(loader), "--library-path", libraries, str(program), f"--browser-subprocess-path={command}"])
    script = f'#!/bin/sh\nexec {start} "$@"\n'
    if not command.exists() or command.read_text() != script:
        _aside(command).write_text(script)
        _aside(command).chmod(0o755)
        _aside(command).replace(command)
    return command


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.{os.getpid()}")


@asynccontextmanager
async def chromium(home: Path) -> AsyncIterator[Browser]:
    """A running browser. `home` takes whatever it wants to keep."""
    tree = debian.ensure_tree(debian.CHROMIUM)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=starter(tree),
            args=list(FLAGS),
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "TMPDIR": os.environ.get("TMPDIR", "/tmp"),  # noqa: S108 - Playwright's own folders, private ones
                "FONTCONFIG_SYSROOT": str(tree.root),  # the tree's fonts, and no others
                "LC_ALL": "C.UTF-8",
            },
        )
        try:
            yield browser
        finally:
            await browser.close()
