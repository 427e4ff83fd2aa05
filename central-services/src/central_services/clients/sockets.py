# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""TCP and TLS connections for httpcore2, straight on asyncio.

httpcore2's own go through anyio, whose cancel scopes and checkpoints cost a third of a call.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from socket import SocketType
from typing import Any, cast

import httpcore2

from ..utils.addresses import IPAddress

SocketOptions = Iterable[httpcore2.SOCKET_OPTION] | None

HIGH_WATER = 262_144  # bytes buffered before the other side is made to wait


class AsyncioStream(asyncio.Protocol, httpcore2.AsyncNetworkStream):
    """One connection: the protocol that asyncio feeds and the stream that httpcore2 reads."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._ended = False
        self._reading_paused = False
        self._error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None  # not None: asyncio's buffer is full

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Buffer what arrived, and stop reading when nobody takes it."""
        self._buffer += data
        if len(self._buffer) > HIGH_WATER and not self._reading_paused and self._transport:
            self._reading_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """Note the end; asyncio closes the transport."""
        self._ended = True
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end and why it came."""
        self._ended = True
        self._error = exc
        self._wake()
        self.resume_writing()

    def pause_writing(self) -> None:
        """Make writers wait."""
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Let writers go on."""
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    def _wake(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None and not reader.done():
            reader.set_result(None)

    # What httpcore2 calls.

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109  # httpcore2's signature
        """Return what has arrived, at most `max_bytes`; nothing at the end of the stream.

        Raises:
            httpcore2.ReadTimeout: Nothing came for `timeout` seconds.
            httpcore2.ReadError: The connection broke.
        """
        if not self._buffer and not self._ended:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(timeout):
                    await self._reader
            except TimeoutError as error:
                message = f"nothing came for {timeout:g} s"
                raise httpcore2.ReadTimeout(message) from error
            finally:
                self._reader = None
        if not self._buffer and self._error is not None:
            raise httpcore2.ReadError(str(self._error)) from self._error
        data = bytes(self._buffer[:max_bytes])
        del self._buffer[:max_bytes]
        if self._reading_paused and self._transport and not self._ended:
            self._reading_paused = False
            self._transport.resume_reading()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109  # httpcore2's signature
        """Send bytes.

        Raises:
            httpcore2.WriteTimeout: The other side took none for `timeout` seconds.
            httpcore2.WriteError: The connection is gone.
        """
        if not buffer:
            return
        if self._transport is None or self._ended or self._transport.is_closing():
            message = "the connection is closed"
            raise httpcore2.WriteError(message) from self._error
        self._transport.write(buffer)
        if self._writable is None:
            return
        try:
            async with asyncio.timeout(timeout):
                # Shielded: a second writer may be waiting for the same future.
                await asyncio.shield(self._writable)
        except TimeoutError as error:
            message = f"nothing was taken for {timeout} s"
            raise httpcore2.WriteTimeout(message) from error
        if self._error is not None:
            raise httpcore2.WriteError(str(self._error)) from self._error

    async def aclose(self) -> None:
        """Close the connection, at once where the other side does not help."""
        if self._transport is not None:
            self._transport.close()
            await asyncio.sleep(0)
            self._transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore2's signature
    ) -> httpcore2.AsyncNetworkStream:
        """Encrypt the connection, and check that its certificate is for `server_hostname`.

        Raises:
            httpcore2.ConnectTimeout: The handshake took longer than `timeout` seconds.
            httpcore2.ConnectError: It failed, or the certificate is not valid.
        """
        if self._transport is None or self._ended:
            message = "the connection was closed before the TLS handshake"
            raise httpcore2.ConnectError(message)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                secured = await loop.start_tls(
                    self._transport, self, ssl_context, server_hostname=server_hostname
                )
        except TimeoutError as error:
            await self.aclose()
            message = f"the TLS handshake took longer than {timeout} s"
            raise httpcore2.ConnectTimeout(message) from error
        except OSError as error:  # ssl.SSLError is one
            await self.aclose()
            message = f"TLS with {server_hostname}: {error or type(error).__name__}"
            raise httpcore2.ConnectError(message) from error
        except BaseException:  # a cancelled handshake leaves no open socket either
            await self.aclose()
            raise
        if secured is None:
            message = "the connection was closed before the TLS handshake"
            raise httpcore2.ConnectError(message)
        self._transport = secured
        return self

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401  # httpcore2's signature
        """Return what httpcore2 asks for: `is_readable` of an idle connection means it ended."""
        if info == "is_readable":
            return self._ended or bool(self._buffer)
        if self._transport is None:
            return None
        names = {"client_addr": "sockname", "server_addr": "peername"}
        return self._transport.get_extra_info(names.get(info, info))


async def connect(
    address: IPAddress,
    port: int,
    *,
    timeout_s: float | None,
    options: SocketOptions,
) -> httpcore2.AsyncNetworkStream:
    """Connect to an address (`ssrf.Connector`).

    Raises:
        httpcore2.ConnectError: It can't be reached.
        httpcore2.ConnectTimeout: It did not answer within `timeout_s` seconds.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            _, stream = await loop.create_connection(AsyncioStream, str(address), port)
    except TimeoutError as error:
        message = f"{address} port {port} did not answer within {timeout_s:.3g} s"
        raise httpcore2.ConnectTimeout(message) from error
    except OSError as error:
        message = f"{address} port {port}: {error.strerror or error}"
        raise httpcore2.ConnectError(message) from error
    connection: SocketType | None = stream.get_extra_info("socket")
    if connection is not None:
        for option in options or ():
            connection.setsockopt(*option)
    return stream
