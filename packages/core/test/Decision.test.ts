import { assert, describe, it } from "@effect/vitest"
import { GrantRejected, TokenSet, TokenSource } from "@evertoken/core"
import { Duration, Effect } from "effect"
import { Decision, decide, type Known, type Row, type Situation } from "../src/refresh/Decision.js"

const now = 1_767_225_600_000
const MINUTE = 60_000
const never = new GrantRejected({ code: "never asked" })

const traits = [
  { replay: "once" },
  { replay: "never" },
  { replay: "never", replayWindow: "30 seconds" },
  { replay: "once", earliestRefresh: "2 minutes" }
] as const
const refreshing = traits.map((trait) => ({ refresh: () => never, ...trait }))
const options = [
  { login: never },
  { login: never, earliestRefresh: "2 minutes" as const },
  ...refreshing,
  ...refreshing.map((one) => ({ ...one, login: never }))
]
const sources: ReadonlyArray<TokenSource> = options.map((one) => Effect.runSync(TokenSource.make(one)))

const obtainedAt = now - MINUTE
const set = (options: Parameters<typeof TokenSet.make>[0]) => TokenSet.make({ ...options, obtainedAt })
const tokenSets: ReadonlyArray<TokenSet | undefined> = [
  undefined,
  set({ accessToken: "valid", refreshToken: "r", expiresAt: new Date(now + MINUTE) }),
  set({ accessToken: "ended", refreshToken: "r", expiresAt: new Date(now - 1) }),
  set({ accessToken: "endless", refreshToken: "r" }),
  set({ accessToken: "bare", expiresAt: new Date(now - 1) }),
  set({ refreshToken: "alone" })
]
const failure = { tag: "GrantRejected", code: "invalid_grant" } as const
const deaths = [
  { dead: false },
  { dead: true, failure: { ...failure, by: "refresh" } },
  { dead: true, failure: { ...failure, by: "login" } }
] as const
const intents = [
  {},
  { intentOwner: "me", intentAt: now - 5_000 },
  { intentOwner: "other", intentAt: now - 5_000 },
  { intentOwner: "other", intentAt: now - 5 * MINUTE },
  { intentOwner: "other", intentAt: now + MINUTE }
]
const leases = [
  {},
  { leaseOwner: "me", leaseUntil: now + 5_000 },
  { leaseOwner: "other", leaseUntil: now + 5_000 },
  { leaseOwner: "other", leaseUntil: now - 1 }
]
const rests = [{}, { retryAt: now - 1 }, { retryAt: now + 7_000 }]
const knowns: ReadonlyArray<Known | undefined> = [
  undefined,
  { generation: 5, expiresAt: now + MINUTE, rejected: false },
  { generation: 5, expiresAt: now - 1, rejected: false },
  { generation: 5, expiresAt: now + MINUTE, rejected: true }
]

type Marks = Omit<Row, "generation" | "tokens">
/** What a row holds beside its tokens. */
const marks: ReadonlyArray<Marks> = deaths.flatMap((death) =>
  intents.flatMap((intent) =>
    leases.flatMap((lease) => rests.map((rest) => ({ ...death, ...intent, ...lease, ...rest })))
  )
)

/** Each situation there can be, as far as decisions tell them apart. */
function* situations(): Generator<Situation> {
  for (const source of sources) {
    for (const known of knowns) {
      const all = { key: "k", source, known, now, owner: "me", defect: undefined, refused: false, seen: true, grace: 0 }
      for (const seen of [true, false]) yield { ...all, row: undefined, seen }
      for (const generation of known === undefined ? [5] : [4, 5, 6]) {
        for (const tokens of tokenSets) {
          yield { ...all, row: { generation, tokens, isCopy: true } }
          for (const mark of marks) {
            const row = { generation, tokens, ...mark }
            for (const refused of [true, false]) yield { ...all, row, refused }
            if (mark.intentOwner === "other") yield { ...all, row, grace: 9_000 }
          }
        }
      }
    }
  }
}

type Rule = (decision: Decision, situation: Situation, row: Row) => boolean

const holdsUntil = ({ tokens }: Row) => tokens?.holdsUntil ?? Number.NEGATIVE_INFINITY
/** Until when the tokens of a row hold, by the store's clock or by that of a process that has them in memory. */
const lastsUntil = ({ known }: Situation, row: Row) =>
  row.tokens?.hasAccessToken === true && known?.generation === row.generation
    ? Math.max(holdsUntil(row), known.expiresAt)
    : holdsUntil(row)
const isHeld = ({ leaseOwner, leaseUntil = 0 }: Row) => leaseOwner === "other" && leaseUntil > now
const isRejected = ({ known }: Situation, { generation }: Row) =>
  known?.rejected === true && known.generation === generation
/** The time in which the server answers a second use of the refresh token. */
const isInWindow = ({ source }: Situation, { intentAt = Number.POSITIVE_INFINITY }: Row) =>
  intentAt <= now && now < intentAt + Duration.toMillis(source.traits.replayWindow)
const isInDoubt = (row: Row) => row.intentOwner === "other" && !isHeld(row)
const asks = Decision.$is("Request")
const stops = Decision.$is("Stop")
const person = ["ReauthorizationRequired", "RefreshInDoubt"]

const rules: Readonly<Record<string, Rule>> = {
  "P1: nothing is asked where the store refused the lease, and another process holds it": (
    decision,
    { refused },
    row
  ) => !refused || !isHeld(row) || !asks(decision),
  "P5: leases and back-offs are for the store's clock to judge": (decision, { refused }, row) =>
    refused || (!Decision.$is("Wait")(decision) && !(stops(decision) && decision.until === row.retryAt)),
  "P1: no refresh token of a row that is older than what is known is sent, nor its tokens adopted": (
    decision,
    { known },
    row
  ) => known === undefined || row.generation >= known.generation || Decision.$is("Restore")(decision),
  "P2: a row is put back only over an older generation": (decision, { known }, row) =>
    !Decision.$is("Restore")(decision) || (known !== undefined && row.generation < known.generation),
  "P3: a grant is called refused only where the row is dead": (decision, _, row) =>
    !stops(decision) ||
    decision.error._tag !== "ReauthorizationRequired" ||
    decision.error.reason !== "refused" ||
    row.dead === true,
  "P3: a dead grant's refresh token is never sent": (decision, _, row) =>
    row.dead !== true || !asks(decision) || decision.by === "login",
  "P3: where a source can log in, it is tried again, and no row needs a person": (decision, { source }) =>
    source.login === undefined ||
    !stops(decision) ||
    Number.isFinite(decision.until) ||
    decision.error._tag === "TokenEndpointError",
  "P3: a grant is called absent only where nothing can replace its tokens": (decision, { source }, row) =>
    !stops(decision) ||
    decision.error._tag !== "ReauthorizationRequired" ||
    decision.error.reason !== "absent" ||
    (source.login === undefined && (source.refresh === undefined || row.tokens === undefined)),
  "P3: a person is asked for a lost answer only where nothing else helps": (decision, situation, row) =>
    !stops(decision) ||
    decision.error._tag !== "RefreshInDoubt" ||
    (isInDoubt(row) &&
      situation.source.login === undefined &&
      (situation.source.traits.replay === "never" ||
        situation.source.refresh === undefined ||
        row.tokens === undefined) &&
      (now >= lastsUntil(situation, row) || isRejected(situation, row))),
  "P6: each wait ends, with the lease that it waits for": (decision, _, row) =>
    !Decision.$is("Wait")(decision) || (isHeld(row) && decision.until === row.leaseUntil),
  "P6: what a person need not mend is tried again": (decision, _, row) =>
    !stops(decision) ||
    person.includes(decision.error._tag) ||
    (decision.until > now && (Number.isFinite(decision.until) || holdsUntil(row) === Number.POSITIVE_INFINITY)),
  "P8: nothing is asked before the shared back-off ends": (decision, { refused }, row) =>
    !refused || row.retryAt === undefined || row.retryAt <= now || !asks(decision),
  "P8: what is not asked for its sake is asked when it ends": (decision, situation, row) =>
    !situation.refused ||
    isHeld(row) ||
    row.retryAt === undefined ||
    row.retryAt <= now ||
    !asks(decide({ ...situation, row: { ...row, retryAt: undefined } })) ||
    (stops(decision) && decision.until === row.retryAt),
  "P9: tokens are adopted while they hold, and where they are newer or this clock had run ahead": (
    decision,
    { known },
    row
  ) =>
    !Decision.$is("Adopt")(decision) ||
    (now < holdsUntil(row) &&
      row.isCopy !== true &&
      (known === undefined ||
        row.generation > known.generation ||
        (row.generation === known.generation && !known.rejected && now >= known.expiresAt))),
  "P9: a refresh token is sent again only in its window, or once where the source allows it": (
    decision,
    situation,
    row
  ) =>
    !asks(decision) ||
    !decision.replay ||
    (isInDoubt(row) &&
      (isInWindow(situation, row) ||
        (situation.source.traits.replay === "once" &&
          situation.grace === 0 &&
          (now >= lastsUntil(situation, row) || isRejected(situation, row))))),
  "step 9: a refresh token in doubt is sent as a replay or not at all": (decision, _, row) =>
    !isInDoubt(row) || row.dead === true || !asks(decision) || decision.by === "login" || decision.replay,
  "step 9: while the old token holds, a lost answer costs no login": (decision, situation, row) =>
    !isInDoubt(row) ||
    row.dead === true ||
    now >= lastsUntil(situation, row) ||
    isRejected(situation, row) ||
    !asks(decision) ||
    decision.by === "refresh",
  "a row is taken by force only where it is dead or in doubt": (decision, _, row) =>
    !asks(decision) || !decision.force || row.dead === true || isInDoubt(row),
  "a source is asked only for what it can do": (decision, { source }, row) =>
    !asks(decision) || (decision.by === "login" ? source.login : row.tokens && source.refresh) !== undefined,
  "a young token is left alone where the source says so": (decision, { source }, row) =>
    !asks(decision) ||
    decision.replay ||
    now >= obtainedAt + Duration.toMillis(source.traits.earliestRefresh) ||
    row.tokens?.hasAccessToken !== true
}

describe("decide, over all situations", () => {
  const broken = new Map<string, Situation>()
  const seen = new Map<Decision["_tag"], number>()
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  let count = 0
  for (const situation of situations()) {
    const decision = decide(situation)
    count++
    seen.set(decision._tag, (seen.get(decision._tag) ?? 0) + 1)
    if (situation.row === undefined) continue
    for (const [title, rule] of Object.entries(rules)) {
      if (!broken.has(title) && !rule(decision, situation, situation.row)) broken.set(title, situation)
    }
  }
  Error.stackTraceLimit = limit

  for (const title of Object.keys(rules)) {
    it(title, () => {
      const found = broken.get(title)
      assert.isUndefined(found, found && JSON.stringify({ ...found, decision: decide(found) }, undefined, 1))
    })
  }

  it("comes to each decision, and to none by a throw", () => {
    assert.isAbove(count, 100_000)
    assert.sameMembers([...seen.keys()], ["Adopt", "Restore", "Wait", "Request", "Stop"])
  })

  it("P9: a young token of a clock that was set back since is of any age", () => {
    const source = Effect.runSync(TokenSource.make({ login: Effect.fail(never), earliestRefresh: "2 minutes" }))
    const decided = (obtainedAt: number) => {
      const tokens = TokenSet.make({ accessToken: "ended", obtainedAt, expiresAt: now - 1 })
      const row = { generation: 5, tokens, isCopy: true } as const
      const situation = { key: "k", source, row, refused: false, seen: true, now, grace: 0 }
      return decide({ ...situation, known: undefined, owner: undefined, defect: undefined })._tag
    }
    const ages = [2 * MINUTE, 2 * MINUTE - 1, 0, -500, -2 * 60 * MINUTE]
    assert.deepStrictEqual(
      ages.map((age) => decided(now - age)),
      ["Request", "Stop", "Stop", "Stop", "Request"]
    )
  })

  it("P10: a row that is gone was removed by a logout; one that never was asks for a first login", () => {
    const source = Effect.runSync(TokenSource.make({ login: Effect.fail(never) }))
    const none = {
      key: "k",
      source,
      refused: false,
      row: undefined,
      known: undefined,
      now,
      owner: undefined,
      grace: 0,
      defect: undefined
    }
    const gone = decide({ ...none, seen: true })
    assert.isTrue(stops(gone) && gone.error._tag === "ReauthorizationRequired" && gone.error.reason === "forgotten")
    const first = decide({ ...none, seen: false })
    assert.isTrue(asks(first) && first.by === "login" && !first.force)
  })
})
