// The next page, fetched as the end of this one comes near.

const AHEAD_PX = 800;
const UNASKED = 4;

/** Presses the button as it comes near, some times: the foot of the page can be reached. */
export function setUpScrolling(button) {
  let left = UNASKED;
  const watcher = new IntersectionObserver(
    ([{ isIntersecting }]) => {
      const isBelow = document.activeElement?.closest(".after, .foot");
      if (!isIntersecting || isBelow || !left) return;
      left -= 1;
      button.click();
    },
    { rootMargin: `${AHEAD_PX}px` },
  );
  return {
    restart: () => (left = UNASKED),
    /** Looks anew: a page that brought nothing has moved nothing. */
    watch(wanted) {
      watcher.disconnect();
      if (wanted) watcher.observe(button);
    },
  };
}
