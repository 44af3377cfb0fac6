import type { OneRuleIn, ScheduleOut } from "../../api/schema";

/** When a schedule fires, as the form holds it; `mode` says which of the rest counts. */
export type When = {
  mode: "every" | "hourly" | "daily" | "cron" | "once" | "rules";
  every: string;
  minute: number;
  time: string;
  days: readonly Day[];
  /** One expression a line. */
  cron: string;
  at: string;
  /** Several rules as JSON, where they are of several kinds. */
  rules: string;
};
export const DAYS = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"] as const;
export type Day = (typeof DAYS)[number];
export type Rule = { cron?: string; every?: string; at?: string; rules?: OneRuleIn[] };

export const FIRST: When = { mode: "every", every: "10m", minute: 0, time: "09:00", days: DAYS, cron: "0 9 * * MON-FRI", at: "", rules: "[]" };

const two = (n: number) => String(n).padStart(2, "0");
const lines = (text: string) => text.split("\n").map((one) => one.trim()).filter(Boolean);

/** The rule as the service takes it. */
export function ruleOf(when: When): Rule {
  switch (when.mode) {
    case "every": return { every: when.every.trim() };
    case "hourly": return { cron: `${when.minute} * * * *` };
    case "daily": return { cron: dailyCron(when) };
    case "once": return { at: when.at.trim() };
    case "rules": return { rules: rulesOf(when.rules) };
    case "cron": {
      const all = lines(when.cron);
      return all.length > 1 ? { rules: all.map((cron) => ({ cron }) as OneRuleIn) } : { cron: all[0] ?? "" };
    }
  }
}

function rulesOf(text: string): OneRuleIn[] {
  try { return JSON.parse(text) as OneRuleIn[]; } catch { return text as never; } // the service says what is wrong with it
}

function dailyCron({ time, days }: When): string {
  const [hour = "", minute = ""] = time.split(":");
  const chosen = DAYS.filter((day) => days.includes(day));
  const which = chosen.length === 7 || chosen.length === 0 ? "*" : chosen.join() === "MON,TUE,WED,THU,FRI" ? "MON-FRI" : chosen.join();
  return `${Number(minute)} ${Number(hour)} * * ${which}`;
}

/** How the form shows a rule that is there. */
export function whenOf(one: Pick<ScheduleOut, "cron" | "every" | "at" | "rules">): When {
  if (one.every !== null) return { ...FIRST, mode: "every", every: String(one.every) };
  if (one.at !== null) return { ...FIRST, mode: "once", at: one.at };
  if (one.rules?.length) {
    const crons = one.rules.map((rule) => rule.cron);
    const isPlain = one.rules.every((rule) => rule.cron && !rule.every && !rule.at && !rule.timezone && !rule.dayMatch && !rule.seconds);
    return isPlain ? { ...FIRST, mode: "cron", cron: crons.join("\n") } : { ...FIRST, mode: "rules", rules: JSON.stringify(one.rules.map(said), null, 2) };
  }
  return whenOfCron(one.cron ?? "");
}

const said = (rule: OneRuleIn) => Object.fromEntries(Object.entries(rule).filter(([, value]) => value !== null));

function whenOfCron(cron: string): When {
  const parts = cron.trim().split(/\s+/);
  const [minute = "", hour = "", day, month, week = ""] = parts;
  const found = { ...FIRST, cron };
  if (parts.length !== 5 || day !== "*" || month !== "*" || !isNumber(minute, 59)) return { ...found, mode: "cron" };
  if (hour === "*" && week === "*") return { ...found, mode: "hourly", minute: Number(minute) };
  const days = daysOf(week);
  if (!isNumber(hour, 23) || days === null) return { ...found, mode: "cron" };
  return { ...found, mode: "daily", time: `${two(Number(hour))}:${two(Number(minute))}`, days };
}

const isNumber = (text: string, most: number) => /^\d{1,2}$/.test(text) && Number(text) <= most;

function daysOf(week: string): readonly Day[] | null {
  if (week === "*") return DAYS;
  if (week === "MON-FRI" || week === "1-5") return DAYS.slice(0, 5);
  const named = week.split(",");
  return named.every((one) => (DAYS as readonly string[]).includes(one)) ? DAYS.filter((day) => named.includes(day)) : null;
}
