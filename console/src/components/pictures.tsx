/** Small pictures for empty lists. Colours live in `lists.css`: the page forbids inline styles. */

/** A machine before a door that stands ajar. */
export function MachinePicture() {
  return (
    <svg className="picture" viewBox="0 0 240 140" aria-hidden="true" focusable="false">
      <path d="M12 120h216" className="picture__ground" />
      <path d="M142 120V66a30 30 0 0 1 60 0v54Z" className="picture__wall" />
      <path d="M150 120V67a22 22 0 0 1 44 0v53Z" className="picture__light" />
      <path d="M150 120V67a22 22 0 0 1 22-22v84Z" className="picture__leaf" />
      <circle cx="166" cy="88" r="2.5" className="picture__knob" />
      <rect x="40" y="74" width="64" height="46" rx="7" className="picture__body" />
      <path d="M52 88h24M52 98h16" className="picture__line" />
      <circle cx="90" cy="92" r="4" className="picture__lamp" />
      <path d="M114 98h18m-6-6 6 6-6 6" className="picture__way" />
    </svg>
  );
}

/** A key. */
export function KeyPicture() {
  return (
    <svg className="picture" viewBox="0 0 240 140" aria-hidden="true" focusable="false">
      <circle cx="120" cy="70" r="58" className="picture__halo" />
      <circle cx="84" cy="70" r="25" className="picture__key" />
      <circle cx="84" cy="70" r="8" className="picture__hole" />
      <path d="M108 64h78v12h-8v14h-11V76h-9v10h-11V76h-39Z" className="picture__key" />
    </svg>
  );
}
