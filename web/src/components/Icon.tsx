/** Line icons of a 24 grid, drawn for these pages. */
const PATHS = {
  overview: "M4 13h6V4H4zM14 20h6v-9h-6zM14 7h6V4h-6zM4 20h6v-3H4z",
  jobs: "M9 6h11M9 12h11M9 18h11M4 6h.01M4 12h.01M4 18h.01",
  schedules: "M5 6h14a1 1 0 0 1 1 1v12a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V7a1 1 0 0 1 1-1zM4 10.5h16M8.5 3.5v4M15.500 3.500v4",
  forecast: "M4 19V5M4 19h16M8 15v-3M12 15V8M16 15v-5",
  queues: "M4 7h16M4 12h11M4 17h6M18 14v6M15 17l3 3 3-3",
  workers: "M5 5h14v5H5zM5 14h14v5H5zM8.5 7.500h.01M8.500 16.500h.01",
  monitors: "M3.500 12.500h4l2.500-7 4 13 2.500-6h4",
  bell: "M6 17c1.500-1.500 1.500-3 1.500-6a4.500 4.500 0 0 1 9 0c0 3 0 4.500 1.500 6zM10.500 20h3",
  types: "M12 3.500l7.500 4.250v8.500L12 20.500l-7.500-4.250v-8.500zM4.700 7.900L12 12l7.300-4.100M12 12v8.300",
  audit: "M6 3.500h8.500L19 8v12.500H6zM14 3.500V8.500h5M9 13h7M9 16.500h5",
  tokens: "M14.500 9.500a4.500 4.500 0 1 1-1.400-3.200 4.500 4.500 0 0 1 1.400 3.200zM13 13l7 7M17 17l2.500-2.500",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.500v5M9 14.500v5",
  search: "M17 10.500a6.500 6.500 0 1 1-13 0 6.500 6.500 0 0 1 13 0zM15.500 15.500L20 20",
  check: "M5 12.500l4.500 4.500L19 7.500",
  cross: "M6.500 6.500l11 11M17.500 6.500l-11 11",
  play: "M8 5.500v13l10.500-6.500z",
  pause: "M8.500 6v12M15.500 6v12",
  clock: "M20 12a8 8 0 1 1-16 0 8 8 0 0 1 16 0zM12 7.500V12l3 2",
  hourglass: "M7 4h10M7 20h10M8 4c0 5 3 5.500 4 8 1-2.500 4-3 4-8M8 20c0-5 3-5.500 4-8 1 2.500 4 3 4 8",
  stop: "M20 12a8 8 0 1 1-16 0 8 8 0 0 1 16 0zM6.500 6.500l11 11",
  skip: "M6 6l7 6-7 6zM17 6v12",
  retry: "M19.500 12a7.500 7.500 0 1 1-2.300-5.400M19.500 3.500v4h-4",
  warning: "M12 4.500L21 19.500H3zM12 10.500v4M12 17h.01",
  error: "M20 12a8 8 0 1 1-16 0 8 8 0 0 1 16 0zM12 8v5M12 16h.01",
  info: "M20 12a8 8 0 1 1-16 0 8 8 0 0 1 16 0zM12 11.500V16M12 8h.01",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  link: "M10 14L20 4M14 4h6v6M18 14v6H4V6h6",
  plus: "M12 5v14M5 12h14",
  edit: "M5 19h3L19 8l-3-3L5 16zM14 7l3 3",
  trash: "M5 7h14M10 7V4.500h4V7M7 7l1 13h8l1-13M10.500 11v5M13.500 11v5",
  filter: "M4 5h16l-6 7.500V19l-4-2v-4.500z",
  sun: "M16 12a4 4 0 1 1-8 0 4 4 0 0 1 8 0zM12 3v2M12 19v2M3 12h2M19 12h2M5.600 5.600L7 7M17 17l1.400 1.400M5.600 18.400L7 17M17 7l1.400-1.400",
  moon: "M19.500 14.500A8 8 0 0 1 9.500 4.500a8 8 0 1 0 10 10z",
  auto: "M20 12a8 8 0 1 1-16 0 8 8 0 0 1 16 0zM12 4v16M12 7h5M12 10.500h7.500M12 14h7.500M12 17.500h4.500",
  user: "M15.500 8.500a3.500 3.500 0 1 1-7 0 3.500 3.500 0 0 1 7 0zM5 20c.5-4 3-6 7-6s6.500 2 7 6",
  logout: "M14 4H5v16h9M10 12h10M16.500 8.500L20 12l-3.500 3.500",
  menu: "M4 7h16M4 12h16M4 17h16",
  left: "M14.500 6l-6 6 6 6",
  right: "M9.500 6l6 6-6 6",
  down: "M6 9.500l6 6 6-6",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  keyboard: "M3 7h18v10H3zM7 10.500h.01M10.500 10.500h.01M14 10.500h.01M17.500 10.500h.01M8 14h8",
  command: "M5 6l6 6-6 6M13 18h6",
  bolt: "M13 3L5 14h6l-1 7 8-11h-6z",
  lock: "M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 7 0v3",
  external: "M11 5H5v14h14v-6M14 4h6v6M20 4l-9 9",
  download: "M12 4v11M7.500 11l4.500 4.500 4.500-4.500M5 20h14",
  eye: "M3 12c2.500-4.500 5.500-6.500 9-6.500s6.500 2 9 6.500c-2.500 4.500-5.500 6.500-9 6.500S5.500 16.500 3 12zM14.500 12a2.500 2.500 0 1 1-5 0 2.500 2.500 0 0 1 5 0z",
  history: "M4 12a8 8 0 1 0 2.500-5.800M4 4v4h4M12 8v4.500l3 1.500",
  save: "M5 4h11l3 3v13H5zM8 4v5h7V4M8 20v-6h8v6",
} as const;

export type IconName = keyof typeof PATHS;

/** An icon beside text; alone it needs a label on what holds it. */
export function Icon({ name, size = 18, className }: { name: IconName; size?: number; className?: string }) {
  return (
    <svg
      className={className} width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor"
      strokeWidth={name === "more" || size < 15 ? 2.4 : 1.8} strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false"
      style={{ flex: "none" }}
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
