import { HalError, type Location } from "../lib/errors.js";
import type { Token } from "./lexer.js";

export type CompareOperator = "=" | "!=" | "<" | "<=" | ">" | ">=";

/** A symbol; a quoted text or y/m/n; or a macro call such as `$(cc-option,-m64)`. hal does not run macro calls. */
export type Atom =
  | { readonly kind: "symbol"; readonly name: string }
  | { readonly kind: "constant"; readonly value: string }
  | { readonly kind: "macro"; readonly text: string };

/** A Kconfig expression (kernel documentation, kconfig-language, "Menu dependencies"); `&&` and `||` are flattened. */
export type Expr =
  | Atom
  | { readonly kind: "compare"; readonly op: CompareOperator; readonly left: Atom; readonly right: Atom }
  | { readonly kind: "not"; readonly term: Expr }
  | { readonly kind: "and" | "or"; readonly terms: readonly Expr[] };

/** Deeper than any real expression. The limit keeps the stack from overflowing. */
const MAX_DEPTH = 200;

const COMPARE: ReadonlySet<string> = new Set(["=", "!=", "<", "<=", ">", ">="]);

/** Reads tokens in order. An error has the column of its token. */
export class TokenReader {
  readonly #tokens: readonly Token[];
  readonly #end: Location;
  #next = 0;

  constructor(tokens: readonly Token[], end: Location) {
    this.#tokens = tokens;
    this.#end = end;
  }

  peek(): Token | undefined {
    return this.#tokens[this.#next];
  }

  error(message: string): HalError {
    return new HalError("input", message, { at: this.peek()?.at ?? this.#end });
  }

  take(what: string): Token {
    const token = this.#tokens[this.#next];
    if (token === undefined) throw this.error(`${what} is missing`);
    this.#next++;
    return token;
  }

  /** Takes the next token if it is this operator or bare word. */
  accept(text: string): boolean {
    const token = this.peek();
    if (token === undefined || token.kind === "string" || token.kind === "macro" || token.text !== text) return false;
    this.#next++;
    return true;
  }

  end(): void {
    const rest = this.peek();
    if (rest !== undefined) throw this.error(`unexpected '${rest.text}' at the end of the line`);
  }
}

/** @throws HalError "input" at the column of the first token that cannot be read */
export function parseExpression(tokens: TokenReader, depth = 0): Expr {
  if (depth > MAX_DEPTH) throw tokens.error(`expression nested deeper than ${MAX_DEPTH}`);
  const list = (kind: "and" | "or", operator: string, term: () => Expr): Expr => {
    const terms = [term()];
    while (tokens.accept(operator)) terms.push(term());
    const [only] = terms;
    return terms.length === 1 && only !== undefined ? only : { kind, terms };
  };
  const unary = (level: number): Expr => {
    if (level > MAX_DEPTH) throw tokens.error(`expression nested deeper than ${MAX_DEPTH}`);
    if (tokens.accept("!")) return { kind: "not", term: unary(level + 1) };
    if (tokens.accept("(")) {
      const inner = parseExpression(tokens, level + 1);
      if (!tokens.accept(")")) throw tokens.error("')' is missing");
      return inner;
    }
    const left = parseAtom(tokens);
    const next = tokens.peek();
    if (next?.kind !== "operator" || !COMPARE.has(next.text)) return left;
    tokens.take("an operator");
    return { kind: "compare", op: next.text as CompareOperator, left, right: parseAtom(tokens) };
  };
  return list("or", "||", () => list("and", "&&", () => unary(depth)));
}

/** Reads a symbol or a constant: a value of `default` or `range`, or an operand of a comparison. */
export function parseAtom(tokens: TokenReader): Atom {
  const token = tokens.peek();
  if (token === undefined || token.kind === "operator") throw tokens.error("a symbol or a value is missing");
  tokens.take("a symbol");
  if (token.kind === "macro") return { kind: "macro", text: token.text };
  if (token.kind === "string" || /^[ymn]$/.test(token.text)) return { kind: "constant", value: token.text };
  return { kind: "symbol", name: token.text };
}

/** `(expr) = n` as Linux expands it (scripts/kconfig/expr.c, expr_trans_compare): `!A` becomes `A != n`, also when A is m. */
export function equalsNo(expr: Expr): Expr {
  switch (expr.kind) {
    case "symbol":
    case "constant":
      return { kind: "compare", op: "=", left: expr, right: { kind: "constant", value: "n" } };
    case "and":
      return { kind: "or", terms: expr.terms.map(equalsNo) };
    case "or":
      return { kind: "and", terms: expr.terms.map(equalsNo) };
    case "not":
      return { kind: "not", term: equalsNo(expr.term) };
    default:
      return { kind: "not", term: expr };
  }
}

/** The expression in Kconfig's notation. */
export function formatExpression(expr: Expr): string {
  switch (expr.kind) {
    case "symbol":
      return expr.name;
    case "constant":
      return /^[ymn]$/.test(expr.value) ? expr.value : `"${expr.value}"`;
    case "macro":
      return expr.text;
    case "compare":
      return `${formatExpression(expr.left)} ${expr.op} ${formatExpression(expr.right)}`;
    case "not":
      return `!${group(expr.term)}`;
    case "and":
      return expr.terms.map(group).join(" && ");
    case "or":
      return expr.terms.map(group).join(" || ");
  }
}

function group(expr: Expr): string {
  const text = formatExpression(expr);
  return expr.kind === "and" || expr.kind === "or" || expr.kind === "compare" ? `(${text})` : text;
}

/** The symbols of an expression in order, without duplicates. */
export function symbolsIn(expr: Expr): readonly string[] {
  switch (expr.kind) {
    case "symbol":
      return [expr.name];
    case "constant":
    case "macro":
      return [];
    case "compare":
      return [...new Set([...symbolsIn(expr.left), ...symbolsIn(expr.right)])];
    case "not":
      return symbolsIn(expr.term);
    default:
      return [...new Set(expr.terms.flatMap(symbolsIn))];
  }
}
