import { dirname, resolve } from "node:path";
import { HalError, type Location } from "../lib/errors.js";
import { Collector, type Entry, type Frame, newEntry, openFrame } from "./collect.js";
import { type Expr, equalsNo, parseAtom, parseExpression, TokenReader } from "./expression.js";
import { type Statement, statements } from "./lexer.js";
import type { Kconfig, SymbolType } from "./model.js";
import { displayName, expandVariables, readSource, sourcedFiles } from "./source.js";

/** Linux 6.12 has 1,700 Kconfig files, Buildroot 2026.02 has 3,300. */
const MAX_FILES = 50_000;
const MAX_DEPTH = 200;

export interface KconfigInput {
  /** The directory that relative `source` paths start from. */
  readonly root: string;
  /** The first file, relative to the root: `Config.in` or `Kconfig`. */
  readonly file: string;
  /** The environment variables that Kconfig reads: BASE_DIR for Buildroot, SRCARCH for Linux. */
  readonly environment: Readonly<Record<string, string>>;
  readonly prefix: "" | "CONFIG_";
  /** Maps the path in a `source` to a path here, when Kconfig runs with the trees at other paths. */
  readonly locate?: (path: string) => string;
  /** The directories that contain every file, with links followed. Without them, a `source` can name any file of this machine. */
  readonly within?: readonly string[];
}

const TYPES: Readonly<Record<string, SymbolType>> = {
  bool: "bool",
  boolean: "bool",
  tristate: "tristate",
  string: "string",
  int: "int",
  hex: "hex",
  def_bool: "bool",
  def_tristate: "tristate",
};

/**
 * Reads a tree of Kconfig files (Linux Documentation/kbuild/kconfig-language.rst; Buildroot's dialect is
 * that of Linux 4.17). Macro calls stay text: hal runs no shell to read a file.
 * @throws HalError "input" with file:line:column for invalid Kconfig, a missing or cyclic `source`, too many files or too deep nesting
 */
export function parseKconfig(input: KconfigInput): Kconfig {
  const reader = new Reader(input);
  return reader.read();
}

class Reader {
  readonly #input: KconfigInput;
  readonly #collector = new Collector();
  readonly #variables = new Map<string, string>();
  readonly #open: string[] = [];
  #frames: readonly Frame[] = [];
  #entry: Entry | undefined;
  #files = 0;

  constructor(input: KconfigInput) {
    this.#input = input;
  }

  read(): Kconfig {
    const { root, file, prefix } = this.#input;
    this.#file(resolve(root, file), { file });
    return { prefix, symbols: this.#collector.symbols(), files: this.#files };
  }

  #file(path: string, at: Location): void {
    if (this.#open.includes(path)) {
      const chain = [...this.#open.slice(this.#open.indexOf(path)), path].map((one) => displayName(one, this.#input.root));
      throw new HalError("input", `files source each other in a circle: ${chain.join(" -> ")}`, { at });
    }
    if (++this.#files > MAX_FILES) throw new HalError("input", `more than ${MAX_FILES} Kconfig files`, { at });
    if (this.#open.length >= MAX_DEPTH) throw new HalError("input", `'source' nested deeper than ${MAX_DEPTH}`, { at });
    this.#open.push(path);
    const name = displayName(path, this.#input.root);
    const outside = this.#frames.length;
    for (const statement of statements(readSource(path, at, this.#input.within), name)) this.#statement(statement, name);
    this.#close();
    const left = this.#frames[outside];
    if (left !== undefined) throw new HalError("input", `'${left.keyword}' has no 'end${left.keyword}' in this file`, { at: left.at });
    this.#open.pop();
  }

  #statement(statement: Statement, file: string): void {
    const { keyword, at } = statement;
    if (statement.help !== undefined) {
      if (this.#entry === undefined) throw new HalError("input", "'help' has no entry above it", { at });
      this.#entry.help = statement.help;
      return;
    }
    const assignment = /^\s*([\w-]+)\s*(?::=|\+=|=)\s*(.*)$/.exec(statement.text);
    if (assignment !== null) {
      this.#variables.set(assignment[1] ?? "", assignment[2] ?? "");
      return;
    }
    if (keyword === undefined) {
      // A macro call on its own line, such as $(error-if,…), only prints a warning or stops Kconfig.
      if (/^\s*\$\(/.test(statement.text)) return;
      throw new HalError("input", "a Kconfig keyword is missing", { at });
    }
    const tokens = new TokenReader(statement.tokens(), at);
    if (!this.#structure(keyword, tokens, at, file)) this.#attribute(keyword, tokens, at);
    tokens.end();
  }

  /** Statements that open or close an entry; false for an attribute line. */
  #structure(keyword: string, tokens: TokenReader, at: Location, file: string): boolean {
    switch (keyword) {
      case "config":
      case "menuconfig":
        this.#close();
        this.#entry = newEntry("config", tokens.take("the symbol's name").text, at);
        return true;
      case "choice":
        this.#close();
        if (tokens.peek() !== undefined) tokens.take("a name");
        this.#entry = newEntry("choice", undefined, at);
        return true;
      case "menu":
      case "comment":
        this.#close();
        tokens.take("its text");
        this.#entry = newEntry(keyword, undefined, at);
        return true;
      case "if":
        this.#close();
        this.#push({
          keyword: "if",
          at,
          file,
          conditions: [{ expr: parseExpression(tokens), at }],
          visible: [],
          members: [],
          choice: undefined,
        });
        return true;
      case "endif":
      case "endmenu":
      case "endchoice":
        this.#close();
        this.#pop(keyword.slice(3), at, file);
        return true;
      case "source":
      case "osource":
      case "rsource":
      case "orsource":
        this.#close();
        this.#source(keyword, tokens, at);
        return true;
      case "mainmenu":
        this.#close();
        tokens.take("its text");
        return true;
      default:
        return false;
    }
  }

  #source(keyword: string, tokens: TokenReader, at: Location): void {
    const { root, environment, locate } = this.#input;
    const asked = tokens.take("the file's name").text;
    const value = (name: string): string | undefined => this.#collector.textOf(name) ?? environment[name] ?? this.#variables.get(name);
    const named = expandVariables(asked, value, at);
    const path = locate?.(named) ?? named;
    const here = this.#open.at(-1);
    const base = keyword.includes("rs") && here !== undefined ? dirname(here) : root;
    for (const file of sourcedFiles(path, base, at, keyword.startsWith("o"))) this.#file(file, at);
  }

  #attribute(keyword: string, tokens: TokenReader, at: Location): void {
    const entry = this.#entry;
    if (entry === undefined) {
      throw new HalError("input", `'${keyword}' is not a Kconfig statement, or has no entry above it`, { at });
    }
    const when = (): Expr | undefined => (tokens.accept("if") ? parseExpression(tokens) : undefined);
    const type = TYPES[keyword];
    if (type !== undefined) {
      entry.type ??= type;
      if (keyword.startsWith("def_")) entry.defaults.push({ value: parseExpression(tokens), when: when(), at });
      else if (tokens.peek() !== undefined) entry.prompt = { text: tokens.take("the prompt").text, when: when(), at };
      return;
    }
    switch (keyword) {
      case "prompt":
        entry.prompt = { text: tokens.take("the prompt").text, when: when(), at };
        return;
      case "depends": {
        if (!tokens.accept("on")) throw tokens.error("'depends' needs 'on'");
        const expr = parseExpression(tokens);
        const condition = when(); // `depends on X if Y`, since Linux 7.0, means X || (Y = n)
        entry.depends.push({ expr: condition === undefined ? expr : { kind: "or", terms: [expr, equalsNo(condition)] }, at });
        return;
      }
      case "visible":
        if (!tokens.accept("if")) throw tokens.error("'visible' needs 'if'");
        entry.visible.push({ expr: parseExpression(tokens), at });
        return;
      case "default":
        entry.defaults.push({ value: parseExpression(tokens), when: when(), at });
        return;
      case "select":
      case "imply":
        entry.selects.push({ name: tokens.take("the symbol's name").text, when: when(), at, weak: keyword === "imply" });
        return;
      case "range":
        entry.ranges.push({ low: parseAtom(tokens), high: parseAtom(tokens), when: when() });
        return;
      case "optional":
        entry.optional = true;
        return;
      case "modules":
      case "transitional":
        return;
      case "option":
        this.#option(entry, tokens);
        return;
      default:
        throw new HalError("input", `'${keyword}' is not a Kconfig statement`, { at });
    }
  }

  #option(entry: Entry, tokens: TokenReader): void {
    const name = tokens.take("the option's name").text;
    if (!tokens.accept("=")) return;
    const value = tokens.take("the option's value").text;
    if (name === "env") entry.environment = this.#input.environment[value] ?? "";
  }

  #push(frame: Frame): void {
    if (this.#frames.length >= MAX_DEPTH) throw new HalError("input", `blocks nested deeper than ${MAX_DEPTH}`, { at: frame.at });
    this.#frames = [...this.#frames, frame];
  }

  #pop(keyword: string, at: Location, file: string): void {
    const frame = this.#frames.at(-1);
    if (frame?.keyword !== keyword || frame.file !== file) {
      throw new HalError("input", `'end${keyword}' without '${keyword}' in this file`, { at });
    }
    this.#frames = this.#frames.slice(0, -1);
  }

  /** Ends the current entry: adds a config to the collector, opens the block of a menu or choice. */
  #close(): void {
    const entry = this.#entry;
    this.#entry = undefined;
    if (entry?.kind === "config") this.#collector.config(entry, this.#frames);
    if (entry?.kind === "menu" || entry?.kind === "choice") this.#push(openFrame(entry, entry.at.file, this.#frames));
  }
}
