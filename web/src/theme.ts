import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from "@mantine/core";

const petrol: MantineColorsTuple = [
  "#e8f6f7", "#d3eaed", "#a6d5da", "#7fc8d0", "#5fbac4", "#3aa2ad", "#2a8f9b", "#177985", "#0c6572", "#064f5a",
];
/** Paper: neutrals of the light scheme, a little warm. */
const gray: MantineColorsTuple = [
  "#faf9f6", "#f4f2ed", "#e9e6de", "#dcd8cd", "#c4bfb2", "#a39d8f", "#686358", "#55514a", "#3a3731", "#211f1a",
];
/** Ink: neutrals of the dark scheme, a little petrol. */
const dark: MantineColorsTuple = [
  "#dfe6e7", "#bcc7c9", "#98a7aa", "#6d7e82", "#3c4c50", "#2b393d", "#1c282b", "#131c1f", "#0e1618", "#0a1012",
];

export const theme = createTheme({
  colors: { petrol, gray, dark },
  primaryColor: "petrol",
  primaryShade: { light: 8, dark: 7 },
  autoContrast: true,
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  fontFamily: 'ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Code", "JetBrains Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
  fontSizes: { xs: "0.75rem", sm: "0.8438rem", md: "0.9375rem", lg: "1.0625rem", xl: "1.25rem" },
  headings: {
    fontWeight: "650",
    sizes: {
      h1: { fontSize: "1.5rem", lineHeight: "1.25" },
      h2: { fontSize: "1.0625rem", lineHeight: "1.35" },
      h3: { fontSize: "0.9375rem", lineHeight: "1.4" },
    },
  },
  radius: { xs: "3px", sm: "5px", md: "8px", lg: "12px", xl: "18px" },
  components: {
    Button: { defaultProps: { size: "sm" } },
    Tooltip: { defaultProps: { openDelay: 250, withArrow: true, multiline: true, maw: 360, events: { hover: true, focus: true, touch: true } } },
    Modal: { defaultProps: { centered: true, overlayProps: { backgroundOpacity: 0.45 }, radius: "lg" } },
    Menu: { defaultProps: { shadow: "md", radius: "md" } },
    Anchor: { defaultProps: { underline: "hover" } },
  },
});

/** Mantine's own variables, set to ours; ours themselves are in theme.css. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-body": "#f6f5f1",
    "--mantine-color-text": "#1b2526",
    "--mantine-color-default": "#ffffff",
    "--mantine-color-default-border": "#d5d1c5",
    "--mantine-color-dimmed": "#625d52",
    "--mantine-color-placeholder": "#6f6a5f",
    "--mantine-color-error": "#ab1f2d",
    "--mantine-color-anchor": "#0b5f6b",
  },
  dark: {
    "--mantine-color-body": "#10181b",
    "--mantine-color-text": "#e3eaea",
    "--mantine-color-default": "#18232600",
    "--mantine-color-default-border": "#33444a",
    "--mantine-color-dimmed": "#9babae",
    "--mantine-color-placeholder": "#8b9b9f",
    "--mantine-color-error": "#ff9d9d",
    "--mantine-color-anchor": "#79ced7",
  },
});
