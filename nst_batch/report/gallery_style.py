"""The gallery's style sheet: light or dark as the viewer prefers, a card a job."""

STYLE = """
:root{color-scheme:light dark;--ground:#f6f4f0;--card:#fffefc;--well:#eceae4;--ink:#23262b;--soft:#686d75;
--line:#e2dfd8;--bad:#a8371c;--bad-ground:#fbeee9;--shade:0 1px 2px #0000000d,0 4px 16px #0000000a}
@media(prefers-color-scheme:dark){:root{
--ground:#131417;--card:#1b1d21;--well:#101114;--ink:#e8e9eb;--soft:#9ca1a9;
--line:#2b2e34;--bad:#f0916f;--bad-ground:#2a1c18;--shade:none}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI","Noto Sans","DejaVu Sans",sans-serif}
header,main,footer{max-width:1560px;margin:0 auto;padding:0 28px}
header{padding-top:36px}
h1{margin:0;font-size:24px;font-weight:650;letter-spacing:-.01em}
header p{margin:2px 0 0;color:var(--soft)}
.show{position:absolute;opacity:0;pointer-events:none}
nav{max-width:1560px;margin:18px auto 0;padding:0 28px;display:flex;flex-wrap:wrap;gap:8px}
nav label{padding:4px 13px;border:1px solid var(--line);border-radius:99px;color:var(--soft);cursor:pointer}
nav label:hover{color:var(--ink)}
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(340px,100%),1fr));gap:24px;
padding-top:22px}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;overflow:hidden;
box-shadow:var(--shade);display:flex;flex-direction:column;
contain-intrinsic-size:auto 460px;content-visibility:auto}
.frame{position:relative;display:block;aspect-ratio:4/3;background:var(--well);color:var(--soft)}
.frame img{position:absolute;inset:0;width:100%;height:100%;object-fit:contain}
.frame .over{opacity:0;transition:opacity .18s;background:var(--well);pointer-events:none}
.card:has(.content:hover,.content:focus-visible) .over.c,
.card:has(.style:hover,.style:focus-visible) .over.s{opacity:1}
.note{position:absolute;inset:0;display:grid;place-content:center;text-align:center;padding:24px}
.failed .frame{background:var(--bad-ground);color:var(--bad)}
.note b{display:block;font-size:17px;font-weight:600;overflow-wrap:anywhere}
.text{padding:14px 18px 16px;display:flex;flex-direction:column;gap:10px;flex:1}
h2{margin:0;font-size:16px;font-weight:600;line-height:1.35;overflow-wrap:anywhere}
.meta{margin:0;color:var(--soft);font-size:13px}
.state{color:var(--ink);font-weight:600}
.failed .state{color:var(--bad)}
.advice{margin:0;overflow-wrap:anywhere;white-space:pre-line}
.thumbs{display:flex;flex-wrap:wrap;gap:8px;align-items:center}
.thumbs a,.thumbs span{display:grid;place-content:center;width:58px;height:58px;border-radius:7px;
overflow:hidden;background:var(--well);color:var(--soft);font-size:11px;text-align:center;text-decoration:none}
.thumbs img{width:58px;height:58px;object-fit:cover;display:block;font-size:9px}
.thumbs i{font-style:normal;color:var(--soft)}
.thumbs .meta{flex:1;min-width:120px;margin-left:6px}
details{margin-top:auto;border-top:1px solid var(--line);padding-top:8px;font-size:13px}
summary{cursor:pointer;color:var(--soft)}
details img{display:block;width:100%;height:auto;margin:10px 0 4px;border-radius:8px}
dl{display:grid;grid-template-columns:auto 1fr;gap:1px 14px;margin:10px 0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.links{display:flex;flex-wrap:wrap;gap:2px 14px;margin:6px 0 2px}
a{color:inherit;text-underline-offset:3px;text-decoration-color:var(--soft)}
a:focus-visible,summary:focus-visible{outline:2px solid var(--soft);outline-offset:2px;border-radius:4px}
.empty{grid-column:1/-1;padding:12vh 0;text-align:center;color:var(--soft)}
footer{padding-top:26px;padding-bottom:40px;color:var(--soft);font-size:13px}
""".strip()
