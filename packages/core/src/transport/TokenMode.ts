import * as Context from "effect/Context"

/** What is done with the token of a request: it is attached and repaired, attached and noted where it is refused, only attached, or left out. */
export class TokenUse extends Context.Reference<TokenUse>()("@evertoken/core/TokenUse", {
  defaultValue: (): "repair" | "attach" | "trust" | "none" => "repair"
}) {}
