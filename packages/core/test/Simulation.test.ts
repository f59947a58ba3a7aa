import { assert, describe, it } from "@effect/vitest"
import type { Happening, History, Setup } from "./sim/History.js"
import { story } from "./sim/play.js"
import { simulate } from "./sim/simulate.js"

// What was played by hand. The histories by chance are in SimulationSeeds*, so that all cores share them.
describe("what was found once and stays mended", () => {
  found(
    "P9: a clock that goes back is noticed also while a dead grant's last token is served",
    { life: 60 },
    [24_100, { do: "revoke", k: 0 }],
    [8_000, { do: "clock", p: 0, by: -135_001 }],
    [70_000, { do: "get", p: 0, k: 0, patience: undefined }]
  )
  found(
    "P9: a token that has ended does not come back with a clock that goes back",
    { life: 60 },
    [0, { do: "revoke", k: 0 }],
    [90_000, { do: "clock", p: 0, by: -135_001 }],
    [70_000, { do: "get", p: 0, k: 0, patience: undefined }]
  )
  found(
    "P1: a lease whose answer came late is renewed before anything is presented",
    { lease: 3, latency: 50, skews: [0, 0] },
    [1_000, { do: "refresh", p: 0, k: 0 }],
    [50, { do: "pause", p: 0, for: 10_000 }],
    [12_000, { do: "refresh", p: 0, k: 0 }],
    [50, { do: "pause", p: 0, for: 10_000 }],
    [20_000, { do: "get", p: 1, k: 0, patience: undefined }]
  )
  found(
    "P6: a refresh in a process that knows nothing yet is answered within the wait, also where the store is silent",
    { login: true, wait: 8 },
    [0, { do: "store", p: 0, how: "silent", at: "load", for: 60_000 }],
    [0, { do: "refresh", p: 0, k: 0 }],
    [30_000, { do: "get", p: 0, k: 0, patience: undefined }]
  )
  found(
    "P1: what another process learnt to be refused is not presented once more",
    { skews: [0, 0] },
    [0, { do: "get", p: 1, k: 0, patience: undefined }],
    [15_000, { do: "server", how: "loses answers", for: 25_000 }],
    [30_000, { do: "revoke", k: 0 }],
    [5_000, { do: "pause", p: 0, for: 11_000 }],
    [1_000, { do: "store", p: 1, how: "slow", at: "lease", for: 40_000 }],
    [5_000, { do: "get", p: 1, k: 0, patience: undefined }],
    [50_000, { do: "get", p: 0, k: 0, patience: undefined }]
  )
  found(
    "P9: a back-off is not lengthened by a clock that goes back",
    { login: true, wait: 8 },
    [0, { do: "server", how: "unavailable", for: 4_000 }],
    [0, { do: "get", p: 0, k: 0, patience: undefined }],
    [3_900, { do: "clock", p: 0, by: -500_000 }]
  )
  found(
    "P9: a token does not seem to live longer because the store's answer was slow",
    { skews: [0, 0] },
    [0, { do: "server", how: "unavailable", for: 90_000 }],
    [40_000, { do: "crash", p: 1, down: 100 }],
    [2_000, { do: "store", p: 1, how: "slow", at: "load", for: 4_000 }],
    [10, { do: "get", p: 1, k: 0, patience: undefined }],
    [13_000, { do: "get", p: 1, k: 0, patience: undefined }]
  )
  found(
    "P1: the refresh token that is presented is the row's, not the one in memory",
    { skews: [0, 0] },
    [0, { do: "get", p: 1, k: 0, patience: undefined }],
    [1_000, { do: "pause", p: 1, for: 110_000 }],
    [100, { do: "refresh", p: 0, k: 0 }],
    [500, { do: "crash", p: 0, down: 200_000 }],
    [115_000, { do: "get", p: 1, k: 0, patience: undefined }]
  )
  found(
    "P9: a token lasts no longer where the clock goes forth and back while it is asked for",
    { life: 60 },
    [0, { do: "clock", p: 0, by: 7_200_000 }],
    [0, { do: "get", p: 0, k: 0, patience: undefined }],
    [2, { do: "clock", p: 0, by: -7_200_000 }],
    [15_000, { do: "get", p: 0, k: 0, patience: undefined }],
    [65_000, { do: "get", p: 0, k: 0, patience: undefined }]
  )
  found(
    "P9: a token lasts no longer where the clock goes forth and back while it is saved",
    { life: 60 },
    [0, { do: "clock", p: 0, by: 7_200_000 }],
    [0, { do: "get", p: 0, k: 0, patience: undefined }],
    [4, { do: "clock", p: 0, by: -7_200_000 }],
    [15_000, { do: "get", p: 0, k: 0, patience: undefined }],
    [65_000, { do: "get", p: 0, k: 0, patience: undefined }]
  )
  found(
    "P1: a refresh token in doubt is not sent again while its access token holds, though the store's clock was set forward",
    { life: 200, latency: 2 },
    [80_000, { do: "server", how: "garbles", for: 30_000 }],
    [100, { do: "refresh", p: 0, k: 0 }],
    [5_000, { do: "store clock", by: 550_852 }],
    [210, { do: "get", p: 0, k: 0, patience: undefined }]
  )
  found(
    "P9: a clock that goes ahead does not keep a token from its callers that the store knows to hold",
    { life: 200, skews: [0, 0], login: true, rotates: false },
    [0, { do: "get", p: 0, k: 0, patience: undefined }],
    [10_000, { do: "get", p: 1, k: 0, patience: undefined }],
    [60_000, { do: "clock", p: 1, by: 551_407 }],
    [100, { do: "server", how: "loses answers", for: 2_000 }],
    [100, { do: "refresh", p: 0, k: 0 }],
    [20_000, { do: "get", p: 1, k: 0, patience: undefined }]
  )
  found(
    "P1: a lease that was asked for twice is one, also where the first of the requests arrives last",
    { skews: [0, 0, 0], limited: true, prepares: 3_000 },
    [0, { do: "store", p: "all", how: "late", at: "lease", for: 25_748 }],
    [90_000, { do: "get", p: 0, k: 0, patience: undefined }]
  )
})

describe("what few histories come to by chance", () => {
  found(
    "P10: a logout while a refresh is under way is final in every process",
    { skews: [0, 0] },
    [15_000, { do: "server", how: "slow", for: 60_000 }],
    [0, { do: "refresh", p: 0, k: 0 }],
    [500, { do: "forget", p: 1, k: 0 }],
    [20_000, { do: "get", p: 0, k: 0, patience: undefined }]
  )
  found(
    "P10: a logout drops what comes later also where the store takes no commit",
    {},
    [15_000, { do: "server", how: "slow", for: 60_000 }],
    [0, { do: "refresh", p: 0, k: 0 }],
    [200, { do: "forget", p: 0, k: 0 }],
    [100, { do: "store", p: 0, how: "refuses", at: "commit", for: 60_000 }],
    [20_000, { do: "get", p: 0, k: 0, patience: undefined }]
  )
  found(
    "P6: a process that ends finishes its refresh, saves what came back, and asks nobody after that",
    { timeout: 30, wait: 60 },
    [15_000, { do: "server", how: "slow", for: 60_000 }],
    [0, { do: "refresh", p: 0, k: 0 }],
    [500, { do: "close", p: 0, down: 1_000 }],
    [60_000, { do: "get", p: 0, k: 0, patience: undefined }]
  )
  found(
    "P5: a lease lasts as long as its request, however slow the answer",
    { skews: [0, 0], lease: 3, wait: 60 },
    [15_000, { do: "server", how: "unavailable", for: 50_000 }],
    [52_000, { do: "server", how: "slow", for: 90_000 }],
    [1_000, { do: "get", p: 0, k: 0, patience: undefined }],
    [0, { do: "get", p: 1, k: 0, patience: undefined }],
    [60_000, { do: "get", p: 0, k: 0, patience: undefined }]
  )
  found(
    "P5: one whose lease was taken over while it was paused cannot commit",
    { skews: [0, 0], lease: 3, login: true, latency: 400 },
    [0, { do: "get", p: 0, k: 0, patience: undefined }],
    [3_000, { do: "get", p: 1, k: 0, patience: undefined }],
    [3_000, { do: "refresh", p: 0, k: 0 }],
    [1_000, { do: "pause", p: 0, for: 6_000 }],
    [100, { do: "reject", p: 1, k: 0 }],
    [0, { do: "server", how: "slow", for: 30_000 }],
    [3_500, { do: "get", p: 1, k: 0, patience: undefined }]
  )
})

function found(title: string, setup: Partial<Setup>, ...steps: ReadonlyArray<readonly [number, Happening]>): void {
  it(title, () => {
    for (let seed = 0; seed < 8; seed++) {
      const history: History = {
        setup: { ...plain, ...setup, seed },
        steps: steps.map(([after, what]) => ({ after, ...what }))
      }
      if (simulate(history).violation !== undefined) assert.fail(story(history))
    }
  })
}

const plain: Setup = {
  seed: 0,
  keys: 1,
  skews: [0],
  storeSkew: 0,
  latency: 2,
  life: 60,
  rotates: true,
  login: false,
  window: 0,
  replay: "once",
  alarmEndsAccess: false,
  lease: 10,
  timeout: 10,
  wait: 30,
  idle: undefined,
  prepares: 0,
  limited: false
}
