// What may be meant by what is typed: a list under the field, which keeps the focus (the ARIA
// pattern is that of a combobox with a list, whose text is not touched until one is chosen).

const PAUSE_MS = 120;
const LONGEST = 100;

/** `suggest(text, signal)` answers texts; `onChoose` is told of one of them. */
export function setUpSuggestions(input, { suggest, onChoose }) {
  const list = document.getElementById("suggestions");
  let wanted = new AbortController();
  let pause = 0;
  let active = -1;

  function activate(position) {
    active = position;
    [...list.children].forEach((option, at) =>
      option.setAttribute("aria-selected", String(at === active)),
    );
    const option = list.children[active];
    option?.scrollIntoView({ block: "nearest" });
    if (option) input.setAttribute("aria-activedescendant", option.id);
    else input.removeAttribute("aria-activedescendant");
  }

  function show(texts) {
    list.replaceChildren(...texts.map(optionOf));
    list.hidden = !texts.length;
    input.setAttribute("aria-expanded", String(texts.length > 0));
    activate(-1);
  }

  /** Nothing that was asked before is shown any more. */
  function stop() {
    clearTimeout(pause);
    wanted.abort();
    wanted = new AbortController();
  }

  function close() {
    stop();
    show([]);
  }

  function want(text) {
    stop();
    if (!text || text.length > LONGEST) return close();
    const { signal } = wanted;
    const isWanted = () => !signal.aborted && document.activeElement === input;
    pause = setTimeout(
      () =>
        suggest(text, signal).then(
          (texts) => isWanted() && show(texts.filter((other) => other !== text)),
          () => isWanted() && show([]), // to go on typing needs no suggestions
        ),
      PAUSE_MS,
    );
  }

  const move = (by) => {
    stop(); // a list does not change while somebody chooses from it
    const places = list.children.length + 1; // the field itself is one, before the first
    activate(((active + 1 + by + places) % places) - 1);
    return true;
  };
  const moves = {
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Escape: () => (close(), true),
    Enter: () => active >= 0 && (onChoose(list.children[active].textContent), true),
    Tab: () => (close(), false),
  };

  // The focus stays in the field, and with it the keyboard of a phone.
  list.addEventListener("pointerdown", (event) => event.preventDefault());
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) onChoose(option.textContent);
  });
  input.addEventListener("blur", close);

  return {
    want,
    close,
    /** Whether the key was meant for the list. */
    takes: (event) =>
      !list.hidden && !event.altKey && !event.ctrlKey && !event.metaKey && Boolean(moves[event.key]?.()),
  };
}

function optionOf(text, position) {
  const option = document.createElement("li");
  option.id = `suggestion-${position}`;
  option.role = "option";
  option.dir = "auto";
  option.textContent = text;
  return option;
}
