"""Answers GET /delay/SECONDS after so long, on 127.0.0.1.  slow_server.py PORT [LIFE_SECONDS]

With asyncio, so that it needs no threads of its own. Stops by itself.
"""

import asyncio
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


async def handle(reader, writer):
    try:
        while line := await reader.readline():
            path = line.split()[1].decode()
            while await reader.readline() not in (b"\r\n", b""):
                pass
            _, _, seconds = path.partition("/delay/")
            await asyncio.sleep(float(seconds or 0))
            writer.write(ANSWER)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def main(port, life):
    server = await asyncio.start_server(handle, "127.0.0.1", port, backlog=512)
    async with server:
        try:
            await asyncio.wait_for(server.serve_forever(), life)
        except asyncio.TimeoutError:
            pass


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 600))
