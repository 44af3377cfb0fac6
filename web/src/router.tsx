import { createRootRoute, createRoute, createRouter, lazyRouteComponent, type ErrorComponentProps } from "@tanstack/react-router";
import { messageOf } from "./api/errors";
import { ErrorNote } from "./components/ErrorNote";
import { Loading } from "./components/Loading";
import { Page } from "./components/Page";
import { rootPath } from "./lib/place";
import { parseSearch, stringifySearch } from "./lib/search";
import { NotFound } from "./pages/not-found";
import Overview from "./pages/overview";
import { wantLate } from "./shell/late";
import { Shell } from "./shell/Shell";

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });
const page = <P extends string>(path: P, load: () => Promise<{ default: React.ComponentType }>) =>
  createRoute({
    getParentRoute: () => root,
    path,
    component: lazyRouteComponent(async () => { const [loaded] = await Promise.all([load(), wantLate()]); return loaded; }),
  });

/** Every page: its address and its file; the file is loaded when it is first shown. */
const routeTree = root.addChildren([
  createRoute({ getParentRoute: () => root, path: "/", component: Overview }),
  page("/jobs", () => import("./pages/jobs")),
  page("/jobs/$id", () => import("./pages/job")),
  page("/schedules", () => import("./pages/schedules")),
  page("/schedules/$id", () => import("./pages/schedule")),
  page("/schedules/$id/edit", () => import("./pages/schedule-editor")),
  page("/new-schedule", () => import("./pages/schedule-editor")),
  page("/forecast", () => import("./pages/forecast")),
  page("/queues", () => import("./pages/queues")),
  page("/queues/$name", () => import("./pages/queue")),
  page("/workers", () => import("./pages/workers")),
  page("/monitors", () => import("./pages/monitors")),
  page("/checks/$id", () => import("./pages/check")),
  // With the slash it is an index, which counts more than the names below it; without, the next would take it.
  page("/job-types/", () => import("./pages/job-types")),
  page("/job-types/$", () => import("./pages/job-type")),
  page("/audit", () => import("./pages/audit")),
  page("/tokens", () => import("./pages/tokens")),
  page("/settings", () => import("./pages/settings")),
]);

/** What browsers and the loader say when a file of a page cannot be fetched. */
const NOT_LOADED = /preload CSS|imported module|importing a module/i;

/** A page that broke leaves the others usable. */
function Broken({ error, reset }: ErrorComponentProps) {
  if (NOT_LOADED.test(messageOf(error))) {
    const said = new Error("Pages are fetched when they are first shown; try again once the service is back.");
    return <Page title="Out of reach"><ErrorNote error={said} retry={() => location.reload()} title="This page could not be loaded." /></Page>;
  }
  return <Page title="This page broke"><ErrorNote error={error} retry={reset} title="Something on this page went wrong." /></Page>;
}

export const router = createRouter({
  routeTree,
  basepath: rootPath || "/",
  parseSearch,
  stringifySearch,
  defaultPreload: "intent",
  defaultPendingComponent: Loading,
  defaultErrorComponent: Broken,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register { router: typeof router }
}
