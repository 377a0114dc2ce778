"""Which file system a path lies on: SQLite's locks do not hold over a network."""

from pathlib import Path

MOUNTS = Path("/proc/self/mounts")

# 9p is not among them: sandboxes mount their root by it, and there locks do hold.
NETWORK_TYPES = frozenset(
    {"nfs", "nfs3", "nfs4", "cifs", "smb2", "smb3", "smbfs", "ncpfs", "afs", "coda", "ceph", "lustre", "gpfs", "beegfs"}
    | {"glusterfs", "orangefs", "pvfs2", "ocfs2", "gfs2", "davfs", "fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse"}
    | {"fuse.rclone", "fuse.glusterfs", "fuse.ceph", "fuse.davfs", "fuse.juicefs", "fuse.blobfuse2", "fuse.lustre"}
)


def network_file_system(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The type of the network file system that holds a path; None for a local one, or where no table of mounts is."""
    if not mounts.is_file():
        return None
    here = path.resolve()
    found = [(point, kind) for point, kind in _table(mounts) if here == point or point in here.parents]
    # A later line covers an earlier one at the same point, so the last of the longest is the one in force.
    deepest = max((len(point.parts) for point, _ in found), default=0)
    kinds = [kind for point, kind in found if len(point.parts) == deepest]
    return kinds[-1] if kinds and kinds[-1] in NETWORK_TYPES else None


def _table(mounts: Path) -> list[tuple[Path, str]]:
    rows = [line.split(" ") for line in mounts.read_text(encoding="utf-8", errors="surrogateescape").split("\n")]
    return [(Path(_unescaped(row[1])), row[2]) for row in rows if len(row) > 2]


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
