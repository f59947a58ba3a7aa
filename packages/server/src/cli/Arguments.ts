// Longer than 200 lines: each command and each option, with what the help says of it.

import { parseArgs } from "node:util"
import { meant } from "../config/Names.js"

/** An option of the command line: with a value, which `value` describes, or without. */
interface CommandOption {
  readonly value?: string
  readonly many?: boolean
  readonly says: string
}

interface Command {
  readonly does: string
  /** More of it, for its own help. */
  readonly about?: string
  readonly options?: Readonly<Record<string, CommandOption>>
}

const config = { value: "<file>", says: "the configuration; evertoken.json if left out" }
const parts = {
  "worker-only": { says: "renews tokens, serves /health, /ready and /metrics alone" },
  "no-worker": { says: "serves, and renews only what is asked for" }
}

/** What can be typed. */
const COMMANDS = {
  serve: {
    does: "serves the API and the status page, and renews tokens",
    about: "Makes and upgrades the tables first, where that has not been done yet.",
    options: { config, ...parts }
  },
  check: {
    does: "says whether the configuration is good; changes nothing",
    about: `Reads the configuration and every secret that it names, and looks into the database. Makes no table and no
file, listens on no port, and asks no authorization server. Exit code 1 where something is wrong.`,
    options: {
      config,
      ...parts,
      try: {
        says: `also tries the port, opens the first 1,000 rows, and asks each token
endpoint: for a token, which is thrown away, where the connection can
log in; else with a refresh token that was made up, and spends none`
      }
    }
  },
  migrate: {
    does: "makes and upgrades the tables",
    about: `Run it with a database user that may; the service itself then needs no more than to read and write rows.
DATABASE_URL is enough where there is no configuration.`,
    options: { config }
  },
  report: {
    does: "says how many rows each encryption key has sealed, and which do not open",
    about: "Opens every row, and changes none. Exit code 2 where some do not open.",
    options: { config }
  },
  rotate: {
    does: "seals every row with the newest encryption key",
    about: `Beside services at work, which have that key already: put it first into EVERTOKEN_KEYS of each one. Stop it at any
time and run it again. Exit code 2 where rows are left as they were, since no key at hand opens them.`,
    options: {
      config,
      plain: { says: 'seals also what was written with encryption "off"' }
    }
  },
  restored: {
    does: "after a backup was restored: stops spent refresh tokens from being sent",
    about: `A refresh token that was renewed after the backup is spent, and some providers end the grant when they see it again.
Lists the rows that are from the backup and hold a refresh token. With --yes, each of them needs a new login before
anything is sent for it, or newer tokens from a service that still has them in memory. An access token that holds is
handed out until it ends. Exit code 2 where rows are left, since they were just being renewed, or do not open.`,
    options: {
      config,
      before: {
        value: "<instant>",
        says: `rows written before it are from the backup: when you restored it, such as
2026-11-29T03:00:00Z; needed`
      },
      keys: {
        value: "<pattern>",
        many: true,
        says: "only keys like this, * for any characters; may be given again"
      },
      yes: { says: "does it" }
    }
  },
  profile: {
    does: "says what a provider's profile makes of an answer that was recorded",
    about: `Reads the answer of a token endpoint as the service would, and asks nobody. Take the secrets out of it first: write
short words in their place. The answer is JSON: { "status": 200, "headers": {}, "body": { … } }. Exit code 1 where the
profile cannot read it, or something still looks like a secret.`,
    options: {
      profile: { value: "<id or file>", says: "the id of a ready-made profile, or a file of JSON with one; needed" },
      answer: { value: "<file>", says: "the answer; needed" }
    }
  },
  "api-key": { does: "makes an API key: shown once, with the hash to configure" },
  "encryption-key": { does: "makes a key for EVERTOKEN_KEYS" }
} as const satisfies Readonly<Record<string, Command>>

export type CommandName = keyof typeof COMMANDS

/** What was typed: a command with its options, or something to print. */
export type Typed =
  | {
      readonly _tag: "Command"
      readonly command: CommandName
      readonly given: (option: string) => boolean
      readonly values: (option: string) => ReadonlyArray<string>
    }
  | { readonly _tag: "Help"; readonly text: string }
  | { readonly _tag: "Version" }
  | { readonly _tag: "Wrong"; readonly problem: string }

/** Reads the arguments of the command line. What is wrong with them is told without repeating them. */
export const typed = (args: ReadonlyArray<string>): Typed => {
  const options: Record<string, CommandOption> = Object.assign({}, ...Object.values(COMMANDS).map(optionsOf))
  const { tokens } = parseArgs({
    ...{ args: [...args], allowPositionals: true, strict: false, tokens: true },
    options: {
      help: { type: "boolean", short: "h" },
      version: { type: "boolean" },
      ...Object.fromEntries(
        Object.entries(options).map(([name, { value }]) => [
          name,
          { type: value === undefined ? ("boolean" as const) : ("string" as const) }
        ])
      )
    }
  })
  const positionals = tokens.flatMap((token) => (token.kind === "positional" ? [token.value] : []))
  const given = tokens.flatMap((token) => (token.kind === "option" ? [token] : []))
  const [command = "serve"] = positionals
  const wrong = (problem: string): Typed => ({ _tag: "Wrong", problem: `${problem}; see evertoken --help` })
  if (!isCommand(command)) return wrong(`there is no such command; ${meant(command, Object.keys(COMMANDS))}`)
  if (given.some(({ name }) => name === "help")) {
    return { _tag: "Help", text: positionals.length === 0 ? help : helpOf(command) }
  }
  if (given.some(({ name }) => name === "version")) return { _tag: "Version" }
  const known: Readonly<Record<string, CommandOption>> = optionsOf(COMMANDS[command])
  for (const { name, value } of given) {
    const option = Object.hasOwn(known, name) ? known[name] : undefined
    if (option === undefined) {
      const near = meant(
        `--${name}`,
        [...Object.keys(known), "help"].map((name) => `--${name}`)
      )
      return wrong(`"${command}" has no such option; ${near}`)
    }
    if (option.value === undefined && value !== undefined) return wrong(`--${name} takes no value`)
    if (option.value !== undefined && (value === undefined || value === "" || value.startsWith("--"))) {
      return wrong(`--${name} takes ${option.value}`)
    }
    if (option.many !== true && given.filter((other) => other.name === name).length > 1) {
      return wrong(`--${name} is there twice`)
    }
  }
  if (positionals.length > 1) return wrong("there is one command at a time")
  return {
    _tag: "Command",
    command,
    given: (option) => given.some(({ name }) => name === option),
    values: (option) => given.flatMap(({ name, value }) => (name === option && value !== undefined ? [value] : []))
  }
}

const optionsOf = ({ options = {} }: Command) => options
const isCommand = (name: string): name is CommandName => Object.hasOwn(COMMANDS, name)

const ENVIRONMENT = `Environment
  EVERTOKEN_CONFIG     the configuration itself as JSON, instead of a file
  EVERTOKEN_KEYS       encryption keys, the newest first: 2026-09=…,2026-03=…
  DATABASE_URL         file:evertoken.db (the default), postgres://… or mysql://…
  EVERTOKEN_LOG        json, or pretty for a person (the default on a terminal)
  EVERTOKEN_LOG_LEVEL  debug, info (the default), warning or error
EVERTOKEN_KEYS and DATABASE_URL may also say where they are: file:/path or env:NAME.
`

const listed = (entries: ReadonlyArray<readonly [name: string, says: string]>): string => {
  const width = Math.max(...entries.map(([name]) => name.length)) + 2
  return entries
    .map(([name, says]) => `  ${name.padEnd(width)}${says.replaceAll("\n", `\n${" ".repeat(width + 2)}`)}\n`)
    .join("")
}

const help = `Evertoken: hands out valid access tokens over HTTP, and renews every token ahead of time.

Usage: evertoken [command] [options]

${listed(Object.entries(COMMANDS).map(([name, { does }]) => [name === "serve" ? "[serve]" : name, does]))}
evertoken <command> --help tells the options of a command, and --version the version.

${ENVIRONMENT}
Exit codes: 0 done; 1 it failed, and one line says why; 2 done, but rows are left that need a person; 130 it was stopped.
`

const helpOf = (name: CommandName): string => {
  const command: Command = COMMANDS[name]
  const options = [
    ...Object.entries(optionsOf(command)).map(
      ([name, { says, value }]) => [`--${name}${value === undefined ? "" : ` ${value}`}`, says] as const
    ),
    ["--help", "shows this"] as const
  ]
  const about = command.about === undefined ? "" : `\n${command.about}\n`
  return `evertoken ${name}: ${command.does}\n${about}\nOptions\n${listed(options)}`
}
