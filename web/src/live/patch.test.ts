import { QueryClient } from "@tanstack/react-query";
import { expect, test, vi } from "vitest";
import { keys } from "../api/keys";
import type { JobList, JobOut } from "../api/schema";
import { applyEvents } from "./patch";

const job = (id: string, status: string, updatedAt = "2026-01-01T00:00:01.000Z"): JobOut => ({ id, status, updatedAt }) as JobOut;
const listOf = (...jobs: JobOut[]): JobList => ({ jobs, total: jobs.length }) as JobList;

test("a change is put into every list and the job; what did not change keeps its identity", () => {
  const queries = new QueryClient();
  const still = job("b", "pending");
  queries.setQueryData(keys.jobs({}), listOf(job("a", "pending"), still));
  queries.setQueryData(keys.job("a"), { ...job("a", "pending"), attempts: [] });
  applyEvents(queries, [{ kind: "job", job: job("a", "running", "2026-01-01T00:00:02.000Z") }]);
  const list = queries.getQueryData<JobList>(keys.jobs({}));
  expect(list?.jobs.map((one) => one.status)).toEqual(["running", "pending"]);
  expect(list?.jobs[1]).toBe(still);
  expect(queries.getQueryData(keys.job("a"))).toMatchObject({ status: "running", attempts: [] });
});

test("what is older than what is shown does not go back in time", () => {
  const queries = new QueryClient();
  const list = listOf(job("a", "completed", "2026-01-01T00:00:05.000Z"));
  queries.setQueryData(keys.jobs({}), list);
  applyEvents(queries, [{ kind: "job", job: job("a", "running") }]);
  expect(queries.getQueryData(keys.jobs({}))).toBe(list);
});

test("after a break everything is asked anew", () => {
  const queries = new QueryClient();
  const invalidate = vi.spyOn(queries, "invalidateQueries");
  applyEvents(queries, [{ kind: "resync" }, { kind: "queue", id: "mail" }]);
  expect(invalidate).toHaveBeenCalledExactlyOnceWith();
});
