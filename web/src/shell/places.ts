import type { IconName } from "../components/Icon";

export type Place = { to: string; name: string; icon: IconName; keys: string; admin?: boolean };

/** Every place, in the order of the navigation; `keys` after `g`. */
export const PLACES: readonly Place[] = [
  { to: "/", name: "Overview", icon: "overview", keys: "o" },
  { to: "/jobs", name: "Jobs", icon: "jobs", keys: "j" },
  { to: "/schedules", name: "Schedules", icon: "schedules", keys: "s" },
  { to: "/forecast", name: "Forecast", icon: "forecast", keys: "f" },
  { to: "/queues", name: "Queues", icon: "queues", keys: "q" },
  { to: "/workers", name: "Workers", icon: "workers", keys: "w" },
  { to: "/monitors", name: "Monitors", icon: "monitors", keys: "m" },
  { to: "/job-types", name: "Job types", icon: "types", keys: "t" },
  { to: "/audit", name: "Audit", icon: "audit", keys: "a", admin: true },
  { to: "/tokens", name: "Tokens", icon: "tokens", keys: "k", admin: true },
  { to: "/settings", name: "Settings", icon: "settings", keys: "e", admin: true },
];
