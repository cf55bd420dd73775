"""Whether a folder outlasts a restart, as far as the system tells."""

from pathlib import Path

import pytest

from proxy.volumes import volatile_kind

MOUNTS = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:21 / /tmp rw shared:5 - tmpfs tmpfs rw
24 22 0:22 / /var/lib/app rw shared:6 - overlay overlay rw,lowerdir=/a
25 24 254:1 / /var/lib/app/state rw master:7 - ext4 /dev/vdb rw
26 22 0:23 / /mnt/with\040space rw - tmpfs tmpfs rw
27 22 254:2 / /twice rw - ext4 /dev/vdc rw
28 27 0:24 / /twice rw - tmpfs tmpfs rw
""".lstrip()


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", None),
        ("/srv/anna", None),
        ("/tmp", "tmpfs"),
        ("/tmp/deep/er", "tmpfs"),
        ("/tmpnot", None),
        ("/var/lib/app", "overlay"),
        ("/var/lib/app/state/outbox", None),
        ("/mnt/with space/x", "tmpfs"),
        ("/twice/x", "tmpfs"),
    ],
)
def test_the_innermost_mount_decides(tmp_path: Path, folder: str, kind: str | None) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert volatile_kind(Path(folder), mounts) == kind


def test_a_system_that_does_not_tell_is_believed(tmp_path: Path) -> None:
    assert volatile_kind(Path("/tmp"), tmp_path / "nothing") is None
