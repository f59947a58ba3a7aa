import * as Context from "effect/Context"

/** What is done with the token of a request: it is attached and repaired, only attached, or left out. */
export class TokenUse extends Context.Reference<TokenUse>()("@evertoken/core/TokenUse", {
  defaultValue: (): "repair" | "attach" | "none" => "repair"
}) {}
