import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Predicate, Redacted, Schedule } from "effect"
import { exportJWK, generateKeyPair, SignJWT } from "jose"
import {
  Authority,
  clients,
  dropped,
  garbled,
  type LogEntry,
  lost,
  refuse,
  slow,
  slowAnswer,
  unavailable
} from "../src/index.js"

describe("Authority", () => {
  it.scopedLive("issues tokens that introspect as active, and inactive once revoked", () =>
    Effect.gen(function* () {
      const authority = yield* Authority.make({ lifetime: "60 seconds" })
      const { body, status } = yield* machine(authority)
      assert.strictEqual(status, 200)
      assert.strictEqual(body.expires_in, 60)
      const token = field(body, "access_token")
      assert.isTrue(yield* active(authority, token))
      assert.isTrue(yield* authority.revoke(Redacted.make(token)))
      assert.isFalse(yield* active(authority, token))
      assert.isFalse(yield* authority.revoke(Redacted.make(token)))
      const log = yield* authority.log
      assert.deepStrictEqual(
        log.map(({ active, client, endpoint, grantType, outcome }) => ({
          active,
          client,
          endpoint,
          grantType,
          outcome
        })),
        [
          {
            active: undefined,
            client: "billing",
            endpoint: "token",
            grantType: "client_credentials",
            outcome: "ok"
          },
          { active: true, client: undefined, endpoint: "introspection", grantType: undefined, outcome: "ok" },
          { active: false, client: undefined, endpoint: "introspection", grantType: undefined, outcome: "ok" }
        ]
      )
    })
  )

  it.scopedLive("tokens end after their lifetime", () =>
    Effect.gen(function* () {
      const authority = yield* Authority.make({ lifetime: "1 second" })
      const token = field((yield* machine(authority)).body, "access_token")
      yield* Effect.sleep("1100 millis")
      assert.isFalse(yield* active(authority, token))
    })
  )

  it.scopedLive("one client's tokens may live longer than another's", () =>
    Effect.gen(function* () {
      const authority = yield* Authority.make({ lifetime: "5 seconds", lifetimes: { billing: "9 seconds" } })
      assert.strictEqual((yield* machine(authority)).body.expires_in, 9)
      assert.deepStrictEqual((yield* authority.mint()).expiresIn, Duration.seconds(5))
    })
  )

  it.scopedLive(
    "rotates refresh tokens; the reuse of an old one is refused, logged as an alarm, and ends the grant",
    () =>
      Effect.gen(function* () {
        const authority = yield* Authority.make()
        const first = yield* authority.mint()
        const second = yield* refresh(authority, Redacted.value(first.refreshToken))
        assert.strictEqual(second.status, 200)
        assert.notStrictEqual(field(second.body, "refresh_token"), Redacted.value(first.refreshToken))
        assert.isTrue(yield* active(authority, field(second.body, "access_token")))

        const reused = yield* refresh(authority, Redacted.value(first.refreshToken))
        assert.strictEqual(reused.status, 400)
        assert.strictEqual(reused.body.error, "invalid_grant")
        const after = yield* refresh(authority, field(second.body, "refresh_token"))
        assert.strictEqual(after.body.error, "invalid_grant")
        assert.isFalse(yield* active(authority, field(second.body, "access_token")))

        const log = yield* authority.tokenRequests
        assert.deepStrictEqual(
          log.map((entry) => entry.alarm),
          [false, true, false]
        )
        assert.strictEqual(log[0]?.presented, log[1]?.presented)
        assert.strictEqual(log[0]?.issued, log[2]?.presented)
        const written = JSON.stringify(log)
        for (const secret of [first.refreshToken, first.accessToken]) {
          assert.notInclude(written, Redacted.value(secret))
        }
      })
  )

  it.scopedLive("of many requests with one refresh token at the same moment at most one is answered", () =>
    Effect.gen(function* () {
      const authority = yield* Authority.make()
      const { refreshToken } = yield* authority.mint()
      const answers = yield* Effect.all(
        Array.from({ length: 8 }, () => refresh(authority, Redacted.value(refreshToken))),
        { concurrency: "unbounded" }
      )
      assert.isAtMost(answers.filter((answer) => answer.status === 200).length, 1)
      assert.isTrue((yield* authority.tokenRequests).some((entry) => entry.alarm))
    })
  )

  it.scopedLive("inside a replay window a used refresh token is accepted again", () =>
    Effect.gen(function* () {
      const authority = yield* Authority.make({ replayWindow: "3 seconds" })
      const token = Redacted.value((yield* authority.mint()).refreshToken)
      assert.strictEqual((yield* refresh(authority, token)).status, 200)
      assert.strictEqual((yield* refresh(authority, token)).status, 200)
      yield* Effect.sleep("3100 millis")
      assert.strictEqual((yield* refresh(authority, token)).status, 400)
    })
  )

  it.scopedLive("without rotation one refresh token serves again and again", () =>
    Effect.gen(function* () {
      const authority = yield* Authority.make({ rotate: false })
      const token = Redacted.value((yield* authority.mint()).refreshToken)
      for (const _ of [1, 2]) {
        const answer = yield* refresh(authority, token)
        assert.strictEqual(answer.status, 200)
      }
    })
  )

  it.scopedLive("a grant the user took back is dead", () =>
    Effect.gen(function* () {
      const authority = yield* Authority.make()
      const { accessToken, refreshToken } = yield* authority.mint()
      assert.isTrue(yield* authority.revokeGrant(refreshToken))
      assert.isFalse(yield* active(authority, Redacted.value(accessToken)))
      assert.strictEqual((yield* refresh(authority, Redacted.value(refreshToken))).body.error, "invalid_grant")
      assert.isFalse((yield* authority.tokenRequests)[0]?.alarm)
    })
  )

  it.scopedLive("refuses while it is told to, for as many requests as told, and does no work meanwhile", () =>
    Effect.gen(function* () {
      const authority = yield* Authority.make()
      const token = Redacted.value((yield* authority.mint()).refreshToken)
      yield* authority.break(refuse(429, { retryAfter: "7 seconds" }), 1)
      const refused = yield* refresh(authority, token)
      assert.strictEqual(refused.status, 429)
      assert.strictEqual(refused.retryAfter, "7")
      yield* authority.break(unavailable)
      for (const _ of [1, 2, 3]) {
        const answer = yield* refresh(authority, token)
        assert.strictEqual(answer.status, 503)
      }
      yield* authority.heal
      assert.strictEqual((yield* refresh(authority, token)).status, 200)
      assert.deepStrictEqual(
        (yield* authority.tokenRequests).map(({ client, grantType, outcome }) => `${client} ${grantType} ${outcome}`),
        [...Array.from({ length: 4 }, () => "app refresh_token unavailable"), "app refresh_token ok"]
      )
    })
  )

  it.scopedLive("loses the answer after the work was done: the refresh token is spent", () =>
    Effect.gen(function* () {
      const authority = yield* Authority.make()
      const token = Redacted.value((yield* authority.mint()).refreshToken)
      yield* authority.break(lost(), 1)
      assert.isTrue(Predicate.isTagged(yield* Effect.flip(refresh(authority, token)), "NoAnswer"))
      assert.strictEqual((yield* refresh(authority, token)).status, 400)
      const [first, second] = yield* authority.tokenRequests
      assert.strictEqual(first?.outcome, "ok")
      assert.isFalse(first?.delivered)
      assert.isTrue(second?.alarm)
    })
  )

  it.scopedLive("drops the connection before any work: the refresh token is whole", () =>
    Effect.gen(function* () {
      const authority = yield* Authority.make()
      const token = Redacted.value((yield* authority.mint()).refreshToken)
      yield* authority.break(dropped, 1)
      yield* Effect.flip(refresh(authority, token))
      assert.strictEqual((yield* refresh(authority, token)).status, 200)
      assert.deepStrictEqual(
        (yield* authority.tokenRequests).map((entry) => entry.outcome),
        ["dropped", "ok"]
      )
    })
  )

  it.scopedLive("is slow before the work or after it, and does the work even for a caller that left", () =>
    Effect.gen(function* () {
      const authority = yield* Authority.make()
      yield* authority.break(slow("300 millis"), 1)
      const [took] = yield* Effect.timed(machine(authority))
      assert.isAtLeast(Duration.toMillis(took), 290)
      yield* authority.break(slowAnswer("5 seconds"), 1)
      const token = Redacted.value((yield* authority.mint()).refreshToken)
      const left = yield* Effect.fork(refresh(authority, token))
      yield* until(authority, (log) => log.length === 2)
      yield* Fiber.interrupt(left)
      yield* until(authority, (log) => log[1]?.delivered === false)
      assert.strictEqual((yield* refresh(authority, token)).status, 400)
    })
  )

  it.scopedLive("garbles an answer", () =>
    Effect.gen(function* () {
      const authority = yield* Authority.make()
      yield* authority.break(garbled("<p>"), 1)
      const answer = yield* machine(authority)
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.text, "<p>")
    })
  )

  it.scopedLive("a device gets its tokens once the user agrees", () =>
    Effect.gen(function* () {
      const authority = yield* Authority.make()
      const asked = yield* post(authority.deviceAuthorizationEndpoint, { scope: "offline_access read" }, clients.app)
      const poll = post(
        authority.tokenEndpoint,
        {
          grant_type: "urn:ietf:params:oauth:grant-type:device_code",
          device_code: field(asked.body, "device_code")
        },
        clients.app
      )
      assert.strictEqual((yield* poll).body.error, "authorization_pending")
      assert.isTrue(yield* authority.approve(field(asked.body, "user_code")))
      const { body } = yield* poll
      assert.strictEqual(body.scope, "offline_access read")
      assert.strictEqual((yield* refresh(authority, field(body, "refresh_token"))).status, 200)
    })
  )

  it.scopedLive("a device is told when the user refuses", () =>
    Effect.gen(function* () {
      const authority = yield* Authority.make()
      const asked = yield* post(authority.deviceAuthorizationEndpoint, { scope: "read" }, clients.app)
      assert.isTrue(yield* authority.deny(field(asked.body, "user_code")))
      const answer = yield* post(
        authority.tokenEndpoint,
        {
          grant_type: "urn:ietf:params:oauth:grant-type:device_code",
          device_code: field(asked.body, "device_code")
        },
        clients.app
      )
      assert.strictEqual(answer.body.error, "access_denied")
    })
  )

  it.scopedLive("knows clients by private_key_jwt and takes a signed assertion as a grant", () =>
    Effect.gen(function* () {
      const keys = yield* Effect.promise(() => generateKeyPair("ES256", { extractable: true }))
      const jwk = yield* Effect.promise(() => exportJWK(keys.publicKey))
      const authority = yield* Authority.make({
        clients: [
          {
            client_id: "signed",
            token_endpoint_auth_method: "private_key_jwt",
            grant_types: ["client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
            redirect_uris: [],
            response_types: [],
            scope: "read",
            jwks: { keys: [{ ...jwk, alg: "ES256", use: "sig" }] }
          }
        ]
      })
      const sign = (subject: string) =>
        Effect.promise(() =>
          new SignJWT({})
            .setProtectedHeader({ alg: "ES256" })
            .setIssuer("signed")
            .setSubject(subject)
            .setAudience(authority.issuer)
            .setJti(crypto.randomUUID())
            .setIssuedAt()
            .setExpirationTime("1 minute")
            .sign(keys.privateKey)
        )
      const authentication = {
        client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
      }
      const machine = yield* post(authority.tokenEndpoint, {
        ...authentication,
        client_assertion: yield* sign("signed"),
        grant_type: "client_credentials"
      })
      assert.strictEqual(machine.status, 200)
      const user = yield* post(authority.tokenEndpoint, {
        ...authentication,
        client_assertion: yield* sign("signed"),
        grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
        assertion: yield* sign("alice"),
        scope: "read"
      })
      assert.strictEqual(user.status, 200)
      assert.isTrue(yield* active(authority, field(user.body, "access_token")))
      const forged = yield* post(authority.tokenEndpoint, {
        ...authentication,
        client_assertion: yield* sign("signed"),
        grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
        assertion: `${yield* sign("alice")}x`
      })
      assert.strictEqual(forged.body.error, "invalid_grant")
    })
  )

  it.scopedLive("asks for a DPoP nonce where told to, and binds the token to the key", () =>
    Effect.gen(function* () {
      const keys = yield* Effect.promise(() => generateKeyPair("ES256", { extractable: true }))
      const jwk = yield* Effect.promise(() => exportJWK(keys.publicKey))
      const authority = yield* Authority.make({ dpopNonce: true })
      const ask = (nonce?: string) =>
        Effect.flatMap(
          Effect.promise(() =>
            new SignJWT({
              htm: "POST",
              htu: authority.tokenEndpoint,
              jti: crypto.randomUUID(),
              ...(nonce === undefined ? {} : { nonce })
            })
              .setProtectedHeader({ alg: "ES256", typ: "dpop+jwt", jwk })
              .setIssuedAt()
              .sign(keys.privateKey)
          ),
          (dpop) => post(authority.tokenEndpoint, { grant_type: "client_credentials" }, clients.billing, { dpop })
        )
      const first = yield* ask()
      assert.strictEqual(first.body.error, "use_dpop_nonce")
      const second = yield* ask(first.nonce)
      assert.strictEqual(second.body.token_type, "DPoP")
    })
  )

  it.scopedLive("does the same as an OS process of its own, and ends with the scope", () =>
    Effect.gen(function* () {
      const issuer = yield* Effect.scoped(
        Effect.gen(function* () {
          const authority = yield* Authority.spawn({ lifetime: "60 seconds" })
          const { refreshToken } = yield* authority.mint()
          const other = Authority.connect(authority.issuer)
          yield* other.break(unavailable, 1)
          assert.strictEqual((yield* machine(authority)).status, 503)
          assert.strictEqual((yield* refresh(authority, Redacted.value(refreshToken))).status, 200)
          assert.strictEqual((yield* refresh(authority, Redacted.value(refreshToken))).status, 400)
          assert.deepStrictEqual(
            (yield* other.tokenRequests).map((entry) => [entry.outcome, entry.alarm]),
            [
              ["unavailable", false],
              ["ok", false],
              ["refused", true]
            ]
          )
          yield* other.clear
          assert.lengthOf(yield* authority.log, 0)
          return authority.issuer
        })
      )
      yield* Effect.flip(machine(Authority.connect(issuer)))
    })
  )

  it.scopedLive("prints nothing", () =>
    Effect.gen(function* () {
      const printed: Array<unknown> = []
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          const { error, info, log, warn } = console
          for (const name of ["error", "info", "log", "warn"] as const) {
            console[name] = (...line) => void printed.push(line)
          }
          return { error, info, log, warn }
        }),
        (saved) => Effect.sync(() => Object.assign(console, saved))
      )
      const authority = yield* Authority.make()
      yield* machine(authority)
      yield* authority.break(lost(), 1)
      yield* Effect.flip(machine(authority))
      yield* Effect.ignore(post(`${authority.issuer}/nowhere`, {}))
      assert.deepStrictEqual(printed, [])
    })
  )
})

interface Answer {
  readonly status: number
  readonly text: string
  readonly body: Record<string, unknown>
  readonly retryAfter: string | null
  readonly nonce: string | undefined
}

const post = (
  url: string,
  form: Record<string, string>,
  client?: { readonly clientId: string; readonly clientSecret: Redacted.Redacted },
  headers?: Record<string, string>
) =>
  Effect.tryPromise({
    try: async (signal): Promise<Answer> => {
      const basic = client && btoa(`${client.clientId}:${Redacted.value(client.clientSecret)}`)
      const response = await fetch(url, {
        method: "POST",
        body: new URLSearchParams(form),
        headers: { ...headers, ...(basic === undefined ? {} : { authorization: `Basic ${basic}` }) },
        signal
      })
      const text = await response.text()
      return {
        status: response.status,
        text,
        body: text.startsWith("{") ? JSON.parse(text) : {},
        retryAfter: response.headers.get("retry-after"),
        nonce: response.headers.get("dpop-nonce") ?? undefined
      }
    },
    catch: () => ({ _tag: "NoAnswer" }) as const
  })

const until = (authority: Authority["Type"], holds: (log: ReadonlyArray<LogEntry>) => boolean) =>
  Effect.repeat(authority.tokenRequests, {
    until: (log: ReadonlyArray<LogEntry>) => holds(log),
    schedule: Schedule.spaced("20 millis")
  })

const machine = (authority: Authority["Type"]) =>
  post(authority.tokenEndpoint, { grant_type: "client_credentials" }, clients.billing)

const refresh = (authority: Authority["Type"], refreshToken: string) =>
  post(authority.tokenEndpoint, { grant_type: "refresh_token", refresh_token: refreshToken }, clients.app)

const active = (authority: Authority["Type"], token: string) =>
  Effect.map(post(authority.introspectionEndpoint, { token }, clients.api), ({ body }) => body.active === true)

const field = (body: Record<string, unknown>, key: string): string => String(body[key])
