"""Forwards TCP connections to ADDRESS:PORT to 127.0.0.1:PORT, for containers, which can't reach the
loopback interface of this machine.

forward.py ADDRESS PORT [LISTEN_PORT]

LISTEN_PORT is the port to listen on, if it isn't PORT.
"""

import asyncio
import sys


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()


async def main(address: str, port: str, listen_port: str = "") -> None:
    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target_reader, target_writer = await asyncio.open_connection("127.0.0.1", int(port))
            await asyncio.gather(copy(reader, target_writer), copy(target_reader, writer))
            target_writer.close()
        except OSError:
            pass
        writer.close()

    server = await asyncio.start_server(forward, address, int(listen_port or port))
    await server.serve_forever()


try:
    asyncio.run(main(*sys.argv[1:]))
except OSError as error:
    sys.exit(f"error: {error}")
