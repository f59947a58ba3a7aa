import { HttpApiSchema } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import * as Api from "@evertoken/client/api"
import {
  ClientRejected,
  NoSource,
  ProviderClosed,
  ReauthorizationRequired,
  RefreshInDoubt,
  TokenEndpointError,
  type TokenError,
  TokenSourceDefect,
  TokenStoreError,
  Unauthorized
} from "@evertoken/core"
import { MemoryTokenStore } from "@evertoken/store-memory"
import { Effect } from "effect"
import { failing, toAnswer } from "../src/http/Answers.js"

const key = "k"
type Answer = Effect.Effect<unknown, { readonly _tag: string; readonly message: string; readonly retryAfter?: unknown }>

// Each class of error that can keep a caller from a token has a row here: without, this file does not compile.
const answers: Record<
  (TokenError | NoSource)["_tag"],
  ReadonlyArray<readonly [what: string, answer: () => Answer, status: number, tag: keyof typeof Api]>
> = {
  NoSource: [["a key that nobody declared", () => toAnswer.NoSource(new NoSource({ key })), 404, "UnknownConnection"]],
  ReauthorizationRequired: (["refused", "absent", "forgotten"] as const).map((reason) => [
    `a grant that is ${reason}`,
    () => toAnswer.ReauthorizationRequired(new ReauthorizationRequired({ key, reason })),
    409,
    "NeedsLogin"
  ]),
  RefreshInDoubt: [
    [
      "an answer that was lost for good",
      () => toAnswer.RefreshInDoubt(new RefreshInDoubt({ key, presentedAt: 0 })),
      409,
      "NeedsLogin"
    ]
  ],
  ClientRejected: [
    [
      "a registration that is wrong",
      () => toAnswer.ClientRejected(new ClientRejected({ key, code: "invalid_client" })),
      502,
      "Misconfigured"
    ]
  ],
  TokenSourceDefect: [
    [
      "a bug in the source",
      () => toAnswer.TokenSourceDefect(new TokenSourceDefect({ key, detail: "it threw", cause: new Error("CANARY") })),
      500,
      "SourceDefect"
    ]
  ],
  TokenEndpointError: [
    [
      "an endpoint that asks to wait",
      () =>
        Effect.flatMap(MemoryTokenStore.make, (store) =>
          failing(store, key, new TokenEndpointError({ key, reason: "throttled", retryAfter: 7_000 }))
        ),
      503,
      "Unavailable"
    ]
  ],
  TokenStoreError: (
    [
      ["unreachable", 503, "Unavailable"],
      ["setup", 503, "Unavailable"],
      ["undecryptable", 500, "Unreadable"],
      ["corrupt", 500, "Unreadable"],
      ["key", 400, "BadRequest"]
    ] as const
  ).map(([reason, status, tag]) => [
    `a store that is "${reason}"`,
    () => toAnswer.TokenStoreError(new TokenStoreError({ key, reason })),
    status,
    tag
  ]),
  Unauthorized: [
    [
      "a fresh token that was refused",
      () => toAnswer.Unauthorized(new Unauthorized({ key, generation: 1 })),
      503,
      "Unavailable"
    ]
  ],
  ProviderClosed: [
    ["a service that is closing", () => toAnswer.ProviderClosed(new ProviderClosed({ key })), 503, "Unavailable"]
  ]
}

describe("the service's answer to", () => {
  for (const [what, answer, status, tag] of Object.values(answers).flat()) {
    it.effect(`${what} is ${status}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(answer())
        assert.strictEqual(error._tag, tag)
        assert.strictEqual(statuses[error._tag], status)
        assert.notInclude(JSON.stringify(error), "CANARY")
        if (what.includes("wait")) assert.strictEqual(error.retryAfter, 7)
      })
    )
  }
})

const statuses: Readonly<Record<string, number>> = Object.fromEntries(
  [
    ...[Api.BadRequest, Api.UnknownConnection, Api.NeedsLogin, Api.Misconfigured],
    ...[Api.Unreadable, Api.SourceDefect, Api.Unavailable]
  ].map((schema) => [schema.identifier, HttpApiSchema.getStatusErrorAST(schema.ast)])
)
