/** One argument that a form can ask for. */
export type ArgField = {
  name: string;
  title: string;
  description?: string;
  type: "string" | "number" | "integer" | "boolean";
  options?: readonly (string | number)[];
  required: boolean;
  /** What holds when nothing is said. */
  standard?: unknown;
};

type Schema = { type?: unknown; properties?: Record<string, Schema>; required?: string[]; enum?: unknown[]; title?: string; description?: string; default?: unknown };
const SIMPLE = new Set(["string", "number", "integer", "boolean"]);

/** The fields of a flat object schema; none when something in it does not fit into a form. */
export function fieldsOf(schema: unknown): ArgField[] {
  const { properties = {}, required = [] } = (schema ?? {}) as Schema;
  const found: ArgField[] = [];
  for (const [name, one] of Object.entries(properties)) {
    const isChoice = Array.isArray(one.enum) && one.enum.every((value) => typeof value === "string" || typeof value === "number");
    if (!isChoice && !SIMPLE.has(String(one.type))) return [];
    found.push({
      name,
      title: one.title ?? name,
      ...(one.description ? { description: one.description } : {}),
      type: (SIMPLE.has(String(one.type)) ? one.type : "string") as ArgField["type"],
      ...(isChoice ? { options: one.enum as (string | number)[] } : {}),
      required: required.includes(name),
      ...(one.default === undefined ? {} : { standard: one.default }),
    });
  }
  return found;
}
