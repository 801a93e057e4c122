/** Words that the shell itself understands in the place of a command. */
const own = new Set([
  ...[
    ":",
    "[",
    "break",
    "case",
    "continue",
    "do",
    "done",
    "echo",
    "elif",
    "else",
    "esac",
    "exec",
    "exit",
    "export",
    "fi",
    "for",
    "if",
    "in",
  ],
  ...["printf", "read", "return", "set", "shift", "test", "then", "trap", "umask", "until", "while", "!", "{", "}"],
]);

/** The external commands that a plain POSIX shell script runs, by their last path component, sorted. */
export function commandsOf(script: string): string[] {
  const functions = new Set([...script.matchAll(/^(\w+)\(\) \{$/gm)].map((match) => match[1] ?? ""));
  const bare = script
    .replace(/\\\n/g, " ")
    .replace(/^\s*#.*$/gm, "")
    .replace(/'[^']*'/g, "''");
  const found = new Set<string>();
  for (const part of bare.split(/\n|;|\|\|?|&&|\$\(/)) {
    const words = part.trim().split(/\s+/);
    while (["until", "while", "if", "then", "else", "do", "!", "{", "exec"].includes(words[0] ?? "")) words.shift();
    const command = words[0] ?? "";
    if (/^[a-z_/][A-Za-z0-9_/.-]*$/.test(command) && !own.has(command) && !functions.has(command))
      found.add(command.slice(command.lastIndexOf("/") + 1));
  }
  return [...found].sort();
}
