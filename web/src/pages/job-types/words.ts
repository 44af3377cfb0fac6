import type { JobTypeOut } from "../../api/schema";

export const ownerText = (owner: string): string => ({ code: "in code", file: "in a file", api: "over the API" })[owner] ?? owner;

/** What a type runs, in one line; the address, the command, the function. */
export function targetText(one: Pick<JobTypeOut, "kind" | "target">): string {
  const target = (one.target ?? {}) as Record<string, unknown>;
  const said = (name: string) => (typeof target[name] === "string" ? (target[name] as string) : "");
  if (one.kind === "http") return `${said("method") || "POST"} ${said("url") || `${said("service")}${said("path")}`}`;
  if (one.kind === "command") return Array.isArray(target["command"]) ? target["command"].map(String).join(" ") : said("shell");
  return said("function") || one.kind;
}
