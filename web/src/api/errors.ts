import type { Problem } from "./schema";

/** A refusal of the service, or no answer at all; `field` and `hint` as in the problem answer. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly field: string | null;
  readonly hint: string | null;

  constructor(problem: Partial<Problem> & { status: number }) {
    super(problem.detail ?? problem.title ?? `The service answered ${problem.status}`);
    this.name = "ApiError";
    this.status = problem.status;
    this.code = problem.code ?? "unknown";
    this.field = problem.field ?? null;
    this.hint = problem.hint ?? null;
  }

  /** Nothing answered: the service or the way to it is gone. */
  get unreachable(): boolean { return this.status === 0; }
}

export const unreachable = (): ApiError =>
  new ApiError({ status: 0, code: "unreachable", detail: "The service cannot be reached", hint: "it is asked again by itself" });

/** Whatever was thrown as one sentence. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
