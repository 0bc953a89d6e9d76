"""Hands every connection to ADDRESS:PORT on to 127.0.0.1:PORT, for containers, which can't reach the machine's loopback.

    forward.py ADDRESS PORT [FROM_PORT]     FROM_PORT is where it listens, if not at PORT
"""

import asyncio
import sys


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()


async def main(address: str, port: str, from_port: str = "") -> None:
    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.open_connection("127.0.0.1", int(port))
            await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))
            there[1].close()
        except OSError:
            pass
        writer.close()

    server = await asyncio.start_server(forward, address, int(from_port or port))
    await server.serve_forever()


try:
    asyncio.run(main(*sys.argv[1:]))
except OSError as error:
    sys.exit(f"error: {error}")
