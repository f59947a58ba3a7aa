import { FastCheck } from "effect"

/** What a history is: how the world is set up, and what happens in it, one after the other. */
export interface History {
  readonly setup: Setup
  readonly steps: ReadonlyArray<Step>
}

export interface Setup {
  /** Decides what the steps leave open: latencies, jitter, who runs first. */
  readonly seed: number
  readonly keys: 1 | 2
  /** How far each process's wall clock is from the truth, in milliseconds; there are as many processes as entries. */
  readonly skews: ReadonlyArray<number>
  readonly storeSkew: number
  /** How long a message takes at most, in milliseconds. */
  readonly latency: number
  /** How long an access token lives, in seconds. */
  readonly life: number
  readonly rotates: boolean
  readonly login: boolean
  /** For how many seconds the server takes a refresh token again. */
  readonly window: number
  readonly replay: "once" | "never"
  readonly alarmEndsAccess: boolean
  /** The policy's durations, in seconds. */
  readonly lease: number
  readonly timeout: number
  readonly wait: number
  /** For how many seconds a key that nobody uses stays in memory. */
  readonly idle: number | undefined
  /** How long a source prepares each request before it sends it, in milliseconds. */
  readonly prepares: number
  /** Whether the source limits its requests: one at a time, three a second. */
  readonly limited: boolean
}

/** Something that happens `after` milliseconds; `p` is a process, `k` a key, `for` and `down` are milliseconds. */
export type Step = { readonly after: number } & Happening

export type Happening =
  | { readonly do: "get"; readonly p: number; readonly k: number; readonly patience: number | undefined }
  | { readonly do: "use" | "refresh" | "reject" | "put" | "forget"; readonly p: number; readonly k: number }
  | { readonly do: "crash"; readonly p: number; readonly down: number }
  /** Its scope is closed, as at the end of a program that is stopped in good order. */
  | { readonly do: "close"; readonly p: number; readonly down: number }
  | { readonly do: "trap"; readonly p: number; readonly at: Operation; readonly phase: Phase; readonly down: number }
  | { readonly do: "pause" | "sleep"; readonly p: number; readonly for: number }
  | { readonly do: "clock"; readonly p: number; readonly by: number }
  | { readonly do: "store clock"; readonly by: number }
  /** Nobody reaches the store. */
  | { readonly do: "outage"; readonly how: "refuses" | "silent"; readonly for: number }
  /** A replica takes over that lacks the last `lost` commits. */
  | { readonly do: "failover"; readonly lost: number }
  /** So many calls of all kinds within a few seconds. */
  | { readonly do: "flurry"; readonly p: number; readonly k: number; readonly calls: number }
  | {
      readonly do: "store"
      readonly p: number | "all"
      readonly how: StoreFault
      readonly at: StoreOperation | Sealing | "any"
      readonly for: number
    }
  | {
      readonly do: "policy"
      readonly p: number
      readonly at: "ahead" | "retry"
      readonly how: Defect
      readonly for: number
    }
  | { readonly do: "server"; readonly how: ServerFault; readonly for: number }
  | { readonly do: "revoke"; readonly k: number }
  | { readonly do: "deaf"; readonly p: number; readonly for: number }

export type StoreOperation = "load" | "put" | "lease" | "renew" | "commit" | "fail" | "remove"
export type Operation = StoreOperation | "post"
/** What the cipher does. */
export type Sealing = "seal" | "open"
/** What nobody foresaw: it throws, it does what it should and dies, or is interrupted. */
export type Defect = "throws" | "dies" | "is interrupted"
/** Where a process dies: before it sends, or once it has sent. */
export type Phase = "before" | "sent"
/** Says no; does it and says no; does it slowly; says nothing; does it late and says nothing. */
export type StoreFault = "refuses" | "lies" | "slow" | "silent" | "late" | Defect
/** How a token request ends; those that `lose` lose the request or its answer. */
export type ServerFault =
  | "unavailable"
  | "throttled"
  | "unreachable"
  | "loses requests"
  | "loses answers"
  | "disconnects"
  | "garbles"
  | "slow"
  | "rejects the client"
  | "gives nothing"
  | Defect

const integer = (min: number, max: number) => FastCheck.integer({ min, max })
const pick = <A>(...values: ReadonlyArray<A>) => FastCheck.constantFrom(...values)
const process = integer(0, 2)
const key = integer(0, 1)
const spell = FastCheck.oneof(integer(0, 2_000), integer(2_000, 40_000))
const wait = FastCheck.oneof(
  { arbitrary: integer(0, 300), weight: 5 },
  { arbitrary: integer(0, 15_000), weight: 4 },
  { arbitrary: integer(15_000, 120_000), weight: 2 },
  { arbitrary: integer(120_000, 4_000_000), weight: 1 }
)
const storeOperation = pick<StoreOperation>("load", "put", "lease", "renew", "commit", "fail", "remove")
const clockStep = FastCheck.oneof(
  integer(-600_000, 600_000),
  pick(-7_200_000, -3_600_000, -60_000, 60_000, 3_600_000, 7_200_000)
)
const defect = pick<Defect>("throws", "dies", "is interrupted")

const happening = FastCheck.oneof(
  {
    weight: 10,
    arbitrary: FastCheck.record({
      do: pick("get" as const),
      p: process,
      k: key,
      patience: FastCheck.option(integer(0, 5_000), { nil: undefined, freq: 3 })
    })
  },
  { weight: 4, arbitrary: FastCheck.record({ do: pick("use" as const, "refresh" as const), p: process, k: key }) },
  { weight: 2, arbitrary: FastCheck.record({ do: pick("reject" as const), p: process, k: key }) },
  { weight: 2, arbitrary: FastCheck.record({ do: pick("put" as const, "forget" as const), p: process, k: key }) },
  { weight: 1, arbitrary: FastCheck.record({ do: pick("crash" as const), p: process, down: spell }) },
  { weight: 1, arbitrary: FastCheck.record({ do: pick("close" as const), p: process, down: spell }) },
  {
    weight: 3,
    arbitrary: FastCheck.record({
      do: pick("trap" as const),
      p: process,
      at: FastCheck.oneof(storeOperation, pick("post" as const)),
      phase: pick<Phase>("before", "sent"),
      down: spell
    })
  },
  { weight: 1, arbitrary: FastCheck.record({ do: pick("pause" as const, "sleep" as const), p: process, for: spell }) },
  {
    weight: 1,
    arbitrary: FastCheck.record({ do: pick("clock" as const), p: process, by: clockStep })
  },
  { weight: 1, arbitrary: FastCheck.record({ do: pick("store clock" as const), by: clockStep }) },
  {
    weight: 2,
    arbitrary: FastCheck.record({
      do: pick("outage" as const),
      how: pick("refuses" as const, "silent" as const),
      for: integer(1_000, 60_000)
    })
  },
  { weight: 1, arbitrary: FastCheck.record({ do: pick("failover" as const), lost: integer(1, 3) }) },
  {
    weight: 2,
    arbitrary: FastCheck.record({ do: pick("flurry" as const), p: process, k: key, calls: integer(3, 8) })
  },
  {
    weight: 1,
    arbitrary: FastCheck.record({
      do: pick("policy" as const),
      p: process,
      at: pick("ahead" as const, "retry" as const),
      how: defect,
      for: spell
    })
  },
  {
    weight: 5,
    arbitrary: FastCheck.record({
      do: pick("store" as const),
      p: FastCheck.oneof(process, pick("all" as const)),
      how: FastCheck.oneof(pick<StoreFault>("refuses", "lies", "slow", "silent", "late"), defect),
      at: FastCheck.oneof(storeOperation, pick("any" as const, "seal" as const, "open" as const)),
      for: spell
    })
  },
  {
    weight: 5,
    arbitrary: FastCheck.record({
      do: pick("server" as const),
      how: pick<ServerFault>(
        "unavailable",
        "throttled",
        "unreachable",
        "loses requests",
        "loses answers",
        "disconnects",
        "garbles",
        "slow",
        "rejects the client",
        "gives nothing",
        "throws",
        "dies",
        "is interrupted"
      ),
      for: spell
    })
  },
  { weight: 1, arbitrary: FastCheck.record({ do: pick("revoke" as const), k: key }) },
  { weight: 1, arbitrary: FastCheck.record({ do: pick("deaf" as const), p: process, for: spell }) }
)

/** Any history. */
export const anyHistory: FastCheck.Arbitrary<History> = FastCheck.record({
  setup: FastCheck.record({
    seed: FastCheck.noShrink(integer(0, 2 ** 31 - 1)),
    keys: pick<1 | 2>(1, 1, 2),
    skews: FastCheck.array(FastCheck.oneof(pick(0), integer(-300_000, 300_000)), { minLength: 1, maxLength: 3 }),
    storeSkew: FastCheck.oneof(pick(0), integer(-300_000, 300_000)),
    latency: pick(2, 50, 400),
    life: pick(60, 200, 900),
    rotates: FastCheck.oneof({ weight: 4, arbitrary: pick(true) }, { weight: 1, arbitrary: pick(false) }),
    login: FastCheck.oneof({ weight: 3, arbitrary: pick(false) }, { weight: 1, arbitrary: pick(true) }),
    window: pick(0, 0, 30),
    replay: pick<"once" | "never">("once", "once", "never"),
    alarmEndsAccess: FastCheck.boolean(),
    lease: pick(10, 3),
    timeout: pick(10, 4),
    wait: pick(30, 8),
    idle: pick(undefined, undefined, 30),
    prepares: pick(0, 0, 3_000),
    limited: FastCheck.oneof({ weight: 3, arbitrary: pick(false) }, { weight: 1, arbitrary: pick(true) })
  }),
  steps: FastCheck.array(
    FastCheck.tuple(wait, happening).map(([after, what]): Step => ({ after, ...what })),
    { maxLength: 14, size: "max" }
  )
})

/** A history as a few lines of text. */
export const show = ({ setup, steps }: History): string =>
  [`setup ${JSON.stringify(setup)}`, ...steps.map((step) => `  ${JSON.stringify(step)}`)].join("\n")
