import { queryOptions } from "@tanstack/react-query";
import { answer, client } from "../../api/client";
import { keys } from "../../api/keys";

/** What the page of a schedule asks; an event of the schedule makes all of it be asked anew. */
const path = (id: string) => ({ path: { id } });
const EVERY_MS = 10_000;

export const GRID = 150;
export const NEXT = 10;
export const LATEST = 10;

export const ofSchedule = {
  one: (id: string) => queryOptions({ queryKey: keys.schedule(id), refetchInterval: EVERY_MS, queryFn: ({ signal }) => answer(client.GET("/api/schedules/{id}", { params: path(id), signal })) }),
  occurrences: (id: string, cursor?: string) => queryOptions({
    queryKey: keys.schedule(id, "occurrences", cursor), refetchInterval: EVERY_MS,
    queryFn: ({ signal }) => answer(client.GET("/api/schedules/{id}/occurrences", { params: { ...path(id), query: { limit: GRID, ...(cursor ? { cursor } : {}) } }, signal })),
  }),
  why: (id: string) => queryOptions({ queryKey: keys.schedule(id, "why"), refetchInterval: EVERY_MS, queryFn: ({ signal }) => answer(client.GET("/api/schedules/{id}/why", { params: path(id), signal })) }),
  versions: (id: string, cursor?: string) => queryOptions({
    queryKey: keys.schedule(id, "versions", cursor),
    queryFn: ({ signal }) => answer(client.GET("/api/schedules/{id}/versions", { params: { ...path(id), query: { limit: 20, ...(cursor ? { cursor } : {}) } }, signal })),
  }),
  jobs: (id: string) => queryOptions({ queryKey: keys.jobs({ schedule: id, limit: LATEST }), queryFn: ({ signal }) => answer(client.GET("/api/jobs", { params: { query: { schedule: id, limit: LATEST } as never }, signal })) }),
};
