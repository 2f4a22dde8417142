"""What a signed head says, as the bytes that are signed."""

from datetime import datetime

from doorstep.kernel.audit.log import instant


def head_text(size: int, root: bytes, at: datetime) -> bytes:
    """The signed text; its first line keeps it apart from anything else the same key signs."""
    return f"doorstep-audit-head/1\n{size}\n{root.hex()}\n{instant(at)}\n".encode()
