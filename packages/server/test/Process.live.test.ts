import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { once } from "node:events"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { refuse } from "@evertoken/authority"
import { Effect } from "effect"
import { run } from "./Bin.js"
import { dial, raw, reading } from "./Raw.js"
import { serving } from "./Serving.js"

describe("the service's process", () => {
  it.scopedLive("P14: requests to upgrade are served as HTTP, and a socket that is reset ends nothing", () =>
    Effect.gen(function* () {
      const { bin, call, url } = yield* serving
      const asks = (path: string) =>
        `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`
      for (const path of ["/docs", "/", "/health", "/v1/events", "/nope"]) {
        const answer = yield* raw(url, asks(path))
        assert.notStrictEqual(answer.status, 101)
        assert.notStrictEqual(answer.status, 0)
        for (let times = 0; times < 20; times++) {
          yield* Effect.promise(async () => {
            const socket = dial(url)
            await once(socket, "connect")
            socket.write(asks(path))
            if (times % 2 === 0) await reading(socket, 5)
            socket.resetAndDestroy()
          })
        }
      }
      // As a page does it; Node 20 has its WebSocket behind a flag.
      const page = `
        let opened = 0
        for (let times = 0; times < 10; times++) {
          const socket = new WebSocket(process.argv[1])
          await new Promise((resolve) => {
            socket.onerror = resolve
            socket.onopen = () => resolve(opened++)
          })
          socket.close()
        }
        console.log(opened)`
      const args = [
        "--experimental-websocket",
        "--input-type=module",
        "--eval",
        page,
        `${url.replace("http", "ws")}/docs`
      ]
      const { stdout } = yield* Effect.promise(() => promisify(execFile)(process.execPath, args))
      assert.strictEqual(stdout, "0\n")
      assert.strictEqual((yield* call("/health")).status, 200)
      assert.isTrue(bin.isAlive())
    })
  )

  it.scopedLive("P14: no event of a socket ends it: CONNECT, expectations, nonsense, halves and resets", () =>
    Effect.gen(function* () {
      const { bin, call, url } = yield* serving
      const status = (...pieces: ReadonlyArray<string>) => Effect.map(raw(url, ...pieces), (answer) => answer.status)
      assert.strictEqual(yield* status("CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"), 0)
      assert.strictEqual(yield* status("GET /health HTTP/1.1\r\nHost: x\r\nExpect: a-lot\r\n\r\n"), 417)
      assert.strictEqual(yield* status("nonsense\r\n\r\n"), 400)
      assert.strictEqual(yield* status("GET /health HTTP/1.1\r\n\r\n"), 400)
      assert.strictEqual(yield* status(`GET /health HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(20_000)}\r\n\r\n`), 431)
      assert.strictEqual(yield* status(...[..."GET /health HTTP/1.1\r\nHost: x\r\n\r\n"]), 200)
      const halves = [
        "",
        "GET ",
        "GET /health HTTP/1.1\r\nHos",
        "PUT /v1/token HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"
      ]
      for (const half of halves) {
        for (const end of ["end", "destroy", "resetAndDestroy"] as const) {
          yield* Effect.promise(async () => {
            const socket = dial(url)
            await once(socket, "connect")
            socket.write(half)
            socket[end]()
          })
        }
      }
      assert.strictEqual((yield* call("/health")).status, 200)
      assert.isTrue(bin.isAlive())
    })
  )

  it.scopedLive(
    "a key is taken as it was sent: `//` is no `/`, and no caller gets or ends another's tokens by it (P10)",
    () =>
      Effect.gen(function* () {
        const { call } = yield* serving
        const keys = [
          "app/a/b",
          "app/a//b",
          "app//a/b",
          "app/a/b/",
          "app/a/b//",
          "/app/a/b",
          "//app/a/b",
          "app/a/B",
          "app/./a/b"
        ]
        for (const key of keys) {
          const body = JSON.stringify({ key, accessToken: `token-of-${keys.indexOf(key)}` })
          assert.strictEqual((yield* call("/v1/token", { method: "PUT", body })).status, 200)
        }
        const held = (key: string) =>
          Effect.map(call(`/v1/token?key=${key}`), ({ json }) => json.accessToken ?? json._tag)
        for (const [at, key] of keys.entries()) {
          assert.strictEqual(yield* held(key), `token-of-${at}`)
          assert.strictEqual(yield* held(encodeURIComponent(key)), `token-of-${at}`)
        }
        assert.strictEqual((yield* call("/v1/token?key=app/a//b", { method: "DELETE" })).status, 204)
        assert.strictEqual(yield* held("app/a/b"), "token-of-0")
        assert.strictEqual(yield* held("app/a//b"), "NeedsLogin")
      })
  )

  it.scopedLive("a path is exact, a method is one that it has, and the body and Allow say so", () =>
    Effect.gen(function* () {
      const { key, url } = yield* serving
      const ask = (method: string, target: string) =>
        raw(url, `${method} ${target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n\r\n`)
      const absent = [
        ...["//v1/token?key=billing", "/v1//token?key=billing", "/V1/TOKEN?key=billing", "/v1/token;x?key=billing"],
        ...["/v1/token/?key=billing", "/v1%2Ftoken?key=billing", "/v1/%74oken?key=billing", "/v1/./token?key=billing"],
        ...["/v1/token;key=billing", "/v1/token%3Fkey=billing", "/HEALTH", "/health/", "//", "/docs/", "/nope", "*"]
      ]
      for (const target of absent) {
        const { body, status } = yield* ask("GET", target)
        assert.deepStrictEqual([target, status, JSON.parse(body)._tag], [target, 404, "NotFound"])
      }
      for (const [method, path, allow] of [
        ["POST", "/v1/token", "GET, HEAD, PUT, DELETE"],
        ["PATCH", "/v1/token", "GET, HEAD, PUT, DELETE"],
        ["GET", "/v1/reject", "POST"],
        ["DELETE", "/health", "GET, HEAD"],
        ["OPTIONS", "/docs", "GET, HEAD"]
      ] as const) {
        const { body, headers, status } = yield* ask(method, path)
        assert.deepStrictEqual([status, headers.allow, JSON.parse(body)._tag], [405, allow, "MethodNotAllowed"])
      }
      assert.strictEqual((yield* ask("GET", `${url}/v1/token?key=billing`)).status, 200)
      for (const query of ["?key=%zz", "?key=%ED%A0%80", "?key=%ff", "?key=%", "?key=a#b"]) {
        const { body, status } = yield* ask("GET", `/v1/token${query}`)
        assert.deepStrictEqual([query, status, JSON.parse(body)._tag], [query, 400, "BadRequest"])
      }
      const misspelt = yield* ask("GET", "/v1/token?key=billing&minvalidty=60")
      assert.deepStrictEqual([misspelt.status, /"minValidity\\"/.test(misspelt.body)], [400, true])
      assert.notInclude(misspelt.body, "minvalidty")
    })
  )

  it.scopedLive(
    "answers with tokens are stored nowhere; 401 says how to authenticate; `Bearer` alone is a scheme, once",
    () =>
      Effect.gen(function* () {
        const { bin, key, url } = yield* serving
        const ask = (...lines: ReadonlyArray<string>) =>
          raw(
            url,
            `GET /v1/token?key=billing HTTP/1.1\r\nHost: x\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`
          )
        for (const scheme of ["Bearer", "bearer", "BEARER"]) {
          const { headers, status } = yield* ask(`Authorization: ${scheme} ${key}`)
          assert.deepStrictEqual([status, headers["cache-control"]], [200, "no-store"])
        }
        const none = yield* ask()
        assert.deepStrictEqual([none.status, none.headers["www-authenticate"]], [401, 'Bearer realm="evertoken"'])
        for (const line of [`Basic  ${key}`, `Beaver ${key}`, `1234567${key}`, key, `Bearer${key}`, `Token  ${key}`]) {
          const { headers, status } = yield* ask(`Authorization: ${line}`)
          assert.deepStrictEqual([line, status, headers["www-authenticate"]], [line, 401, 'Bearer realm="evertoken"'])
        }
        const wrong = yield* ask("Authorization: Bearer evk_s3cret")
        assert.include(wrong.headers["www-authenticate"], 'error="invalid_token"')
        for (const other of [key, "evk_other"]) {
          const twice = yield* ask(`Authorization: Bearer ${key}`, `Authorization: Bearer ${other}`)
          assert.strictEqual(twice.status, 400)
        }
        yield* bin.says(/An API key is refused/)
        yield* ask("Authorization: Bearer evk_s3cret")
        yield* bin.kill("SIGTERM")
        const { out } = yield* bin.ended
        const refused = out.split("\n").filter((line) => line.includes("An API key is refused"))
        assert.strictEqual(refused.length, 1)
        const { fingerprint, from, level } = JSON.parse(refused[0] ?? "")
        const hash = createHash("sha256").update("evk_s3cret").digest("hex")
        assert.deepStrictEqual([level, from, fingerprint], ["WARN", "127.0.0.1", hash.slice(0, 8)])
        assert.notInclude(out, "evk_s3cret")
      })
  )

  it.scopedLive("the log has the provider's own words of a failure, and none of the secrets that they repeat", () =>
    Effect.gen(function* () {
      const { authority, bin, call, env } = yield* serving
      const said = `maintenance until nine; you sent ${env.BILLING_SECRET} and the token s3cr3t-0123456789abcdef`
      const body = JSON.stringify({ error: "temporarily_unavailable", error_description: said })
      yield* authority.break(refuse(503, { body }))
      assert.strictEqual((yield* call("/v1/token?key=billing")).status, 503)
      yield* bin.says(/A connection fails, it has no valid token: .*maintenance until nine/)
      yield* bin.kill("SIGTERM")
      const { out } = yield* bin.ended
      const line = JSON.parse(out.split("\n").find((line) => line.includes("A connection fails")) ?? "{}")
      assert.deepStrictEqual([line.level, line.key, line.standing], ["WARN", "billing", "failing"])
      for (const secret of [env.BILLING_SECRET, "s3cr3t-0123456789abcdef"]) assert.notInclude(out, secret)
    })
  )

  it.scopedLive("a body of any size or depth is answered with 4xx at once, and its sender hears it", () =>
    Effect.gen(function* () {
      const { call, key, url } = yield* serving
      const put = (body: string) => call("/v1/token", { method: "PUT", body })
      for (const body of [
        "[".repeat(60_000),
        `${"[".repeat(20_000)}${"]".repeat(20_000)}`,
        "",
        "null",
        "1",
        '"s3cret"'
      ]) {
        assert.strictEqual((yield* put(body)).status, 400)
      }
      for (const depth of [40, 5_000]) {
        const deep = `{"key":"acme/app","accessToken":"a","extra":{"a":${"[".repeat(depth)}${"]".repeat(depth)}}}`
        const { json, status } = yield* put(deep)
        assert.deepStrictEqual([status, /nested/.test(json.message)], [400, true])
      }
      for (const size of [70_000, 1_000_000, 20_000_000]) {
        const { json, status } = yield* put(`{"key":"acme/app","accessToken":"${"a".repeat(size)}"}`)
        assert.deepStrictEqual([status, json._tag], [413, "TooLarge"])
      }
      const head = `PUT /v1/token HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n`
      const huge = yield* raw(url, `${head}Content-Length: 99999999999\r\n\r\n`, "{")
      assert.strictEqual(huge.status, 413)
      const chunk = `1000\r\n${"x".repeat(0x1000)}\r\n`
      const chunked = yield* raw(
        url,
        `${head}Transfer-Encoding: chunked\r\n\r\n`,
        ...Array.from({ length: 20 }, () => chunk)
      )
      assert.strictEqual(chunked.status, 413)
      const latin1 = Buffer.from('{"key":"\xff","accessToken":"a"}', "latin1")
      const bytes = yield* raw(url, `${head}Content-Length: ${latin1.length}\r\n\r\n`, latin1)
      assert.strictEqual(bytes.status, 400)
    })
  )

  it.scopedLive(
    "tokens are put by our names or OAuth's; a name that is neither is refused with the nearest, never repeated",
    () =>
      Effect.gen(function* () {
        const { call } = yield* serving
        const put = (fields: object) =>
          call("/v1/token", { method: "PUT", body: JSON.stringify({ key: "acme/app", ...fields }) })
        const oauth = {
          access_token: "a1",
          token_type: "bearer",
          expires_in: 300,
          refresh_token: "r",
          scope: "read write"
        }
        assert.strictEqual((yield* put(oauth)).status, 200)
        const { json } = yield* call("/v1/token?key=acme/app")
        assert.deepStrictEqual([json.accessToken, json.tokenType, json.scopes], ["a1", "Bearer", ["read", "write"]])
        assert.isTrue(json.expiresIn > 200 && json.expiresIn <= 300)
        for (const [name, near] of [
          ["expiresin", "expiresIn"],
          ["expires", "expiresIn"],
          ["refreshTokens", "refreshToken"],
          ["s3cret", "expected key, accessToken"]
        ] as const) {
          const { json, status, text } = yield* put({ accessToken: "a", [name]: "s3cret-value" })
          assert.deepStrictEqual([name, status, json.message.includes(near)], [name, 400, true])
          assert.notInclude(text, "s3cret")
        }
        const refused: ReadonlyArray<object> = [
          { accessToken: "s3cret a" },
          { accessToken: "s3cret\r\nX: y" },
          { accessToken: "s3crét" },
          { accessToken: "a", tokenType: "s3cret x" },
          { accessToken: "a", tokenType: " DPoP" },
          { accessToken: "a", tokenType: "" },
          { accessToken: "a", expiresIn: -1 },
          { accessToken: "a", expiresIn: 1e12 },
          { accessToken: "a", expiresIn: "s3cret" },
          { accessToken: "a", access_token: "s3cret" },
          {}
        ]
        for (const fields of refused) {
          const { json, status, text } = yield* put(fields)
          assert.deepStrictEqual([fields, status, json._tag], [fields, 400, "BadRequest"])
          assert.notInclude(text, "s3cr")
        }
        const key = (key: string) => put({ key, accessToken: "a" })
        for (const one of ["s3cret\0/app", `${"s3cret".repeat(500)}/app`, "s3cret\ud800/app"]) {
          const { status, text } = yield* key(one)
          assert.deepStrictEqual([status, text.includes("s3cret")], [400, false])
        }
      })
  )

  it.scopedLive("every page and answer has the headers that keep it ours: /docs as the status page", () =>
    Effect.gen(function* () {
      const { call } = yield* serving
      const names = ["content-security-policy", "cache-control", "referrer-policy", "x-content-type-options"]
      for (const path of ["/", "/docs", "/openapi.json", "/health", "/v1/token?key=billing", "/nope"]) {
        const { headers } = yield* call(path)
        for (const name of names) assert.isString(headers.get(name), `${name} of ${path}`)
        assert.include(headers.get("content-security-policy"), "frame-ancestors 'none'")
      }
      for (const path of ["/", "/docs"]) {
        const { headers } = yield* call(path)
        assert.match(headers.get("content-security-policy") ?? "", /script-src 'sha256-[^ ]+'; style-src 'sha256-/)
      }
    })
  )

  it.scopedLive(
    "a wrong EVERTOKEN_KEYS, or encryption off over sealed rows, is told at the start, and 500 with the reason",
    () =>
      Effect.gen(function* () {
        const { bin, call, env } = yield* serving
        for (const key of ["a", "b", "c"]) {
          yield* call("/v1/token", {
            method: "PUT",
            body: JSON.stringify({ key, accessToken: "s3cret", refreshToken: "r" })
          })
        }
        yield* bin.kill("SIGTERM")
        yield* bin.ended
        const off = JSON.stringify({ ...JSON.parse(env.EVERTOKEN_CONFIG), encryption: "off" })
        for (const [wrong, why] of [
          [{ EVERTOKEN_KEYS: `k2=${"A".repeat(42)}E` }, 'sealed by the key "k1", which is not at hand'],
          [{ EVERTOKEN_KEYS: `k1=${"B".repeat(42)}E` }, 'the key "k1" does not open it'],
          [{ EVERTOKEN_CONFIG: off }, "encryption is off"]
        ] as const) {
          const again = yield* run([], { ...env, ...wrong })
          yield* again.says(/3 of 3 rows do not open/)
          yield* again.says(/Listening/)
          const { headers, json, status } = yield* call("/v1/token?key=a")
          assert.deepStrictEqual([status, json._tag, json.reason], [500, "Unreadable", "undecryptable"])
          assert.include(json.message, why)
          assert.isNull(headers.get("retry-after"))
          const listed = yield* call("/v1/connections?health=unreadable")
          assert.strictEqual(listed.json.connections.length, 3)
          yield* again.kill("SIGTERM")
          const { out } = yield* again.ended
          assert.include(out, why.replaceAll('"', '\\"'))
          assert.notInclude(out, "s3cret")
        }
      })
  )
})
