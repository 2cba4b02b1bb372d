/** A door ajar, light falling out. Colours live in `welcome.css`: the page forbids inline styles. */
export function DoorPicture() {
  return (
    <svg className="door" viewBox="0 0 400 480" aria-hidden="true" focusable="false">
      <defs>
        <linearGradient id="door-light" x1="0" y1="0" x2="0" y2="1">
          <stop offset="0" className="door__stop-bright" />
          <stop offset="1" className="door__stop-warm" />
        </linearGradient>
        <linearGradient id="door-floor" x1="0" y1="0" x2="0" y2="1">
          <stop offset="0" className="door__stop-floor" />
          <stop offset="1" className="door__stop-gone" />
        </linearGradient>
      </defs>
      <circle cx="200" cy="196" r="186" className="door__halo" />
      <circle cx="200" cy="196" r="142" className="door__halo" />
      <path d="M128 376h144l108 104H44Z" fill="url(#door-floor)" />
      <path d="M108 376V176a92 92 0 0 1 184 0v200Z" className="door__frame" />
      <path d="M124 376V178a76 76 0 0 1 152 0v198Z" fill="url(#door-light)" />
      <path d="M124 376V178a76 76 0 0 1 76-76c10 0 16 6 16 16v290Z" className="door__leaf" />
      <path d="M142 356V184c0-30 20-52 48-56v240Z" className="door__panel" />
      <circle cx="199" cy="262" r="6" className="door__knob" />
      <path d="M92 376h32M276 376h32" className="door__sill" />
    </svg>
  );
}
