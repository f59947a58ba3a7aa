import { Effect } from "effect"
import { fresh, waiting } from "./get.js"
import { request } from "./http.js"
import { print } from "./measure.js"
import { handOut } from "./peers.js"
import { size } from "./size.js"
import { stores } from "./stores.js"

// Each line is printed when it is known. Ratios are medians of pairs in this one run; the machine's load moves them.
print(await size())
print([await Effect.runPromise(fresh)])
print(await handOut())
print([await Effect.runPromise(waiting)])
print([await Effect.runPromise(request)])
print(await Effect.runPromise(stores))
