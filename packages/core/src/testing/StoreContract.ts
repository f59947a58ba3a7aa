// testing/: What tests of applications and of stores need.
// May import provider/, oauth2/, transport/, store/ and model/.
// Must not know of test runners, networks and Node.

import { clocks } from "./ClockCases.js"
import { claims } from "./DueCases.js"
import { leases } from "./LeaseCases.js"
import { outcomes } from "./OutcomeCases.js"
import { races } from "./RaceCases.js"
import { rows } from "./RowCases.js"
import { sealing } from "./SealedCases.js"
import type { StoreCase } from "./StoreCase.js"

export { ContractBroken, type StoreCase, type StoreUnderTest } from "./StoreCase.js"

/**
 * All that a store promises, a case a sentence: run each against a store of its own. The cases name no test runner and
 * wait for nothing, so they hold on the store's own clock and on a test clock alike.
 */
export const storeContract: ReadonlyArray<StoreCase> = [
  ...rows,
  ...leases,
  ...outcomes,
  ...claims,
  ...clocks,
  ...races,
  ...sealing
]
