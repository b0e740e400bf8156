"""What the services' interpreters take with a question.

The numbers are those of Azure OpenAI's quotas: 512 MB a file, 20 files of an assistant
or thread; the containers of the Responses API name no others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aoai_magic.errors import AttachError
from aoai_magic.locale import gettext as _

if TYPE_CHECKING:
    from aoai_magic.attach.attachment import Attachment

FILES = 20
FILE_BYTES = 512 << 20


def check_items(items: Sequence[Attachment]) -> None:
    """Refuse, before anything is sent, what is too much as it stands.

    Raises
    ------
    AttachError
        There are too many items, or a file among them is too large.
    """
    if len(items) > FILES:
        raise AttachError(
            _(
                "{count} items are attached, and a service takes {most} files with a "
                "question; attach fewer, put files into a folder and attach that, or ask "
                "with --on local."
            ).format(count=len(items), most=FILES)
        )
    for item in items:
        if item.origin == "file":
            check_size(item.name, item.bytes)


def check_size(name: str, size: int) -> None:
    """Refuse a file of more bytes than a service takes.

    Raises
    ------
    AttachError
        It is too large.
    """
    if size > FILE_BYTES:
        raise AttachError(
            _(
                "{name} is {size:,.0f} MB in the form that a service reads, and it takes "
                "files of up to {most} MB; send a sample with --rows N, or ask with --on "
                "local."
            ).format(name=name, size=size / 2**20, most=FILE_BYTES >> 20)
        )
