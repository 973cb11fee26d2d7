"""What a court's own web service does at the least: FastAPI takes a JSON event, inserts one row, signs, answers.

    python bench/peers/echo.py PORT DSN

It checks nothing but that the body is JSON. The row is committed before the answer, as ours is.
"""

import asyncio
import base64
import hashlib
import json
import sys

import asyncpg
import uvloop
from balance_chain.runtime.health import serve_app
from balance_verify.note import SigningKey
from fastapi import FastAPI, Request, Response

TABLE = "CREATE TABLE IF NOT EXISTS echo (id text PRIMARY KEY, digest bytea NOT NULL, body bytea NOT NULL)"
INSERT = "INSERT INTO echo (id, digest, body) VALUES ($1, $2, $3)"


def application(pool: "asyncpg.Pool[asyncpg.Record]", key: SigningKey) -> FastAPI:
    app = FastAPI()

    @app.post("/v1/events", status_code=202)
    async def post(request: Request) -> Response:
        body = await request.body()
        event = json.loads(body)
        digest = hashlib.sha256(body).digest()
        await pool.execute(INSERT, f"{event['source']} {event['id']}", digest, body)
        said = {"id": event["id"], "source": event["source"], "digest": digest.hex()}
        signature = base64.b64encode(key.sign(json.dumps(said).encode())).decode()
        return Response(json.dumps({**said, "signature": signature}), 202, media_type="application/json")

    return app


async def main(port: int, dsn: str) -> None:
    pool = await asyncpg.create_pool(dsn, min_size=8, max_size=8)
    await pool.execute(TABLE)
    await serve_app(application(pool, SigningKey("echo.example", bytes(32))), "127.0.0.1", port, asyncio.Event())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1]), sys.argv[2]))
