import { Anchor, Badge, createTheme } from '@mantine/core';

export const theme = createTheme({
  primaryColor: 'blue',
  primaryShade: { light: 8, dark: 8 },
  fontFamily: 'system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif',
  defaultRadius: 'sm',
  respectReducedMotion: true,
  components: {
    Anchor: Anchor.extend({ defaultProps: { underline: 'always' } }),
    // Never cut short: on a phone a table scrolls instead.
    Badge: Badge.extend({ styles: { root: { width: 'max-content', maxWidth: 'none', flexShrink: 0 }, label: { color: 'var(--mantine-color-text)' } } }),
  },
});
