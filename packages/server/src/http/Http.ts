// http/: How requests are let in and answered.
// May import observability/ and config/.
// Must not know of commands, and how the process started.

import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpApiSwagger from "@effect/platform/HttpApiSwagger"
import { Api, WorkerApi } from "@evertoken/client/api"
import * as Layer from "effect/Layer"
import type { Settings } from "../config/Settings.js"
import * as Guard from "./Guard.js"
import * as Handlers from "./Handlers.js"
import * as Requests from "./Requests.js"

/** Serves the API, its documentation and the status page. */
export const layer = ({ callers, rate }: Pick<Settings, "callers" | "rate">) =>
  HttpApiBuilder.serve().pipe(
    Layer.provide(HttpApiSwagger.layer({ path: "/docs" })),
    Layer.provide(HttpApiBuilder.middlewareOpenApi({ path: "/openapi.json" })),
    Layer.provide(HttpApiBuilder.api(Api)),
    Layer.provide(Handlers.layer),
    Layer.provide(Guard.layer(callers, rate)),
    Layer.provide(Requests.layer(Api, ["/docs", "/openapi.json"]))
  )

/** Serves what a process tells that only works. */
export const ofWorker = ({ callers, rate }: Pick<Settings, "callers" | "rate">) =>
  HttpApiBuilder.serve().pipe(
    Layer.provide(HttpApiBuilder.api(WorkerApi)),
    Layer.provide(Handlers.ofWorker),
    Layer.provide(Guard.layer(callers, rate)),
    Layer.provide(Requests.layer(WorkerApi))
  )
