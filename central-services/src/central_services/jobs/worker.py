# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The platform's own tasks; a project's are in `tasks.py`."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pydantic import Base64Bytes, BaseModel, JsonValue

from ..mail import (
    AdminNotifier,
    Attachment,
    Email,
    EmailService,
    PermanentMailError,
    SentEmail,
)
from ..mail.composition import open_admins, open_mail
from ..uploads import PermanentUploadError, ProcessedUpload, UploadProcessor
from .alerts import DeadLetterAlerts
from .client import enqueue_task
from .context import TaskContext, provide
from .definition import task
from .errors import PermanentError

if TYPE_CHECKING:
    from ..core.config import PlatformSettings

__all__ = [
    "DeadLetterAlerts",
    "EmailFile",
    "enqueue_task",
    "process_file_upload",
    "send_email_task",
]


class EmailFile(BaseModel):
    """A file that goes with a message, as it waits in the queue.

    Attributes:
        filename: Its name.
        content: What is in it, in Base64.
        media_type: Its type.
        content_id: See `Attachment`.
    """

    filename: str
    content: Base64Bytes
    media_type: str = "application/octet-stream"
    content_id: str | None = None

    @classmethod
    def of(cls, filename: str, content: bytes, media_type: str) -> EmailFile:
        """Return a file from what is in it."""
        encoded = base64.b64encode(content)
        return cls(filename=filename, content=encoded, media_type=media_type)

    def attachment(self) -> Attachment:
        """Return it as the mail service takes it."""
        return Attachment(self.filename, self.content, self.media_type, self.content_id)


@task(queue="mail", retries=8, timeout_s=150.0, backoff_s=5.0, max_backoff_s=1_800.0)
async def send_email_task(  # each is independent of the others, and keyword-only
    ctx: TaskContext,
    recipient: str,
    subject: str,
    body: str,
    *,
    html: str | None = None,
    template: str = "message",
    values: Mapping[str, JsonValue] | None = None,
    cc: Sequence[str] = (),
    bcc: Sequence[str] = (),
    reply_to: str | None = None,
    attachments: Sequence[EmailFile] = (),
    headers: Mapping[str, str] | None = None,
    unsubscribe_url: str | None = None,
    unsubscribe_mailto: str | None = None,
    idempotency_key: str | None = None,
) -> SentEmail:
    """Send a message, once, however often the job is tried.

    Args:
        ctx: The job.
        recipient: `ann@example.com` or `Ann <ann@example.com>`.
        subject: One line.
        body: Its text; the HTML is made of it, unless there is `html`.
        html: HTML that stands in for it, cleaned of all that mail must not hold.
        template: A mail template; it gets `body`, `content` (the `html`) and `values`.
        values: What else the template shows.
        cc: Who sees it too.
        bcc: Who sees it without the others knowing.
        reply_to: Where answers go.
        attachments: Files.
        headers: More headers.
        unsubscribe_url: See `Email`.
        unsubscribe_mailto: See `Email`.
        idempotency_key: Names the message; by default the job's key.

    Raises:
        TransientMailError: It is tried again.
        PermanentError: It never goes through.
    """
    mail = ctx.resource(EmailService)
    try:
        email = Email(
            recipients=(recipient,),
            subject=subject,
            text=body,
            cc=tuple(cc),
            bcc=tuple(bcc),
            reply_to=reply_to,
            attachments=tuple(file.attachment() for file in attachments),
            headers=dict(headers or {}),
            unsubscribe_url=unsubscribe_url,
            unsubscribe_mailto=unsubscribe_mailto,
            idempotency_key=idempotency_key or f"{ctx.task_name}:{ctx.idempotency_key}",
        )
        shown = {**(values or {}), "body": body, "content": html}
        return await mail.send(mail.compose(template, email, **shown))
    except PermanentMailError as error:
        raise PermanentError(f"{type(error).__name__}: {error}") from error


@task(queue="uploads", retries=8, timeout_s=900.0, backoff_s=5.0, max_backoff_s=600.0)
async def process_file_upload(ctx: TaskContext, file_id: str, file_path: str) -> ProcessedUpload:
    """Look at an uploaded file, and move it away when it must not be used.

    Args:
        ctx: The job.
        file_id: The project's name for it.
        file_path: Where it is, below UPLOADS__FOLDER.

    Raises:
        TransientUploadError: The scanner is away; the file stays, and it is tried again.
        PermanentError: There is no such file.
    """

    async def report(done: float, total: float, note: str) -> None:
        await ctx.progress(done, total, note)

    try:
        return await ctx.resource(UploadProcessor).process(file_id, file_path, report)
    except PermanentUploadError as error:
        raise PermanentError(f"{type(error).__name__}: {error}") from error


@asynccontextmanager
async def _open_uploads(settings: PlatformSettings) -> AsyncGenerator[UploadProcessor]:
    yield UploadProcessor(settings.uploads)


provide(EmailService, open_mail)
provide(AdminNotifier, open_admins)
provide(UploadProcessor, _open_uploads)
