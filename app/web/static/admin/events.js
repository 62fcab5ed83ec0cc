// Server-sent events from a response's body: EventSource cannot send a key.

/** A server says something, if only a comment, more often than this. */
const SILENCE_MS = 60_000;

/** {event, data} of each, until the stream ends or falls silent. */
export async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const chunk = await readWithin(reader, SILENCE_MS);
      if (chunk === null) return;
      const blocks = (text + chunk).split(/\r\n\r\n|\n\n/);
      text = blocks.pop();
      yield* blocks.map(parse).filter(({ data }) => data);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function readWithin(reader, milliseconds) {
  const alarm = setTimeout(() => reader.cancel().catch(() => {}), milliseconds);
  try {
    const { value, done } = await reader.read();
    return done ? null : value;
  } finally {
    clearTimeout(alarm);
  }
}

function parse(block) {
  const found = { event: "message", data: "" };
  for (const line of block.split(/\r?\n/)) {
    const [, name, value] = /^(event|data): ?(.*)$/s.exec(line) ?? [];
    if (name === "data") found.data += found.data ? `\n${value}` : value;
    else if (name) found.event = value;
  }
  return found;
}
