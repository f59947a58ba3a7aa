import { createHash } from "node:crypto"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"

const style = `
:root{color-scheme:light dark;--ok:#1a7f37;--soon:#9a6700;--bad:#cf222e;--line:#8884;--dim:#767676}
@media(prefers-color-scheme:dark){:root{--ok:#3fb950;--soon:#d29922;--bad:#f85149;--dim:#9a9a9a}}
*{box-sizing:border-box}body{font:16px/1.45 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem}
header{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:baseline}h1{font-size:1.3rem;margin:0;flex:1}
#sum,#live,.dim{color:var(--dim);font-size:.9rem}form{display:flex;flex-wrap:wrap;gap:.5rem;margin:2rem 0}
input{font:inherit;flex:1 1 16rem;padding:.5rem;min-width:0}button{font:inherit;padding:.5rem .9rem}
ul{list-style:none;padding:0;margin:1rem 0}li{border-top:1px solid var(--line);padding:.7rem 0;display:grid;
grid-template-columns:9rem 1fr auto;gap:.1rem .8rem}li b{overflow-wrap:anywhere}
.h{font-weight:600}.ok{color:var(--ok)}.soon,.failing,.idle{color:var(--soon)}.down,.login,.unreadable{color:var(--bad)}
.why{grid-column:2/-1;overflow-wrap:anywhere}.err{color:var(--bad)}[hidden]{display:none!important}
@media(max-width:34rem){li{grid-template-columns:1fr auto}li b{grid-column:1/-1;grid-row:1}.why{grid-column:1/-1}}
`

const script = `
const $=(id)=>document.getElementById(id);let key=sessionStorage.getItem("key")||"",known=[],stop,skew=0,asked=0,more=false;
const now=()=>Date.now()+skew;const names={ok:"healthy",idle:"ended, not renewed",failing:"renewal fails",down:"no valid token",soon:"login soon",login:"needs a login",unreadable:"cannot be read"};
const order=["unreadable","login","down","failing","soon","idle","ok"];
const ask=(path,options={})=>fetch(path,{...options,headers:{authorization:"Bearer "+key},cache:"no-store"});
const visible=(t)=>String(t).replace(/[\\p{Cc}\\p{Cf}\\p{Cs}\\u2028\\u2029]/gu,(c)=>"\\\\u{"+c.codePointAt(0).toString(16)+"}");
const span=(ms)=>{const s=Math.round(Math.abs(ms)/1000);return s<90?s+" s":s<5400?Math.round(s/60)+" min":s<172800?Math.round(s/3600)+" h":Math.round(s/86400)+" days"};
const at=(t)=>t===undefined?"":(t>now()?"in "+span(t-now()):span(now()-t)+" ago");
const el=(tag,cls,text)=>{const e=document.createElement(tag);e.className=cls;e.textContent=text;return e};
function draw(){
  const list=$("list");list.replaceChildren(...known.map((c)=>{const li=el("li","","");
    li.append(el("span","h "+c.health,names[c.health]||c.health),el("b","",visible(c.key)),
      el("span","",c.health==="login"?"":c.expiresAt===undefined?"end unknown":c.expiresAt>now()?"expires "+at(c.expiresAt):"expired "+at(c.expiresAt)));
    const why=[];if(c.failure)why.push(visible(c.failure)+(c.failedAt?", "+at(c.failedAt):""));
    if(c.failures>1)why.push(c.failures+" times in a row");
    if(c.nextAttemptAt>now()&&c.health!=="login")why.push("next attempt "+at(c.nextAttemptAt));
    if(c.renewedAt)why.push("renewed "+at(c.renewedAt));if(c.loginBy)why.push("login by "+new Date(c.loginBy).toLocaleString());
    li.append(el("span","why dim",why.join(" · ")));return li}));
  const n={};for(const c of known)n[c.health]=(n[c.health]||0)+1;
  $("sum").textContent=known.length===0?"no connections yet":order.filter((h)=>n[h]).map((h)=>n[h]+" "+names[h]).join(", ")+(more?"; the first "+known.length+" by name, there are more":"");
}
async function load(){
  const mine=++asked;let after,all=[],ahead=0;
  do{const r=await ask("/v1/connections?limit=500"+(after===undefined?"":"&after="+encodeURIComponent(after)));
    if(r.status===401||r.status===403)return out(r.status===401?"This API key is not known.":"This API key may not watch connections.");
    if(!r.ok)throw new Error("HTTP "+r.status);const d=Date.parse(r.headers.get("date")||"")-Date.now();ahead=Math.abs(d)>5000?d:0;const p=await r.json();all=all.concat(p.connections);after=p.next}while(after!==undefined&&all.length<5000);
  if(mine!==asked)return true;
  skew=ahead;more=after!==undefined;
  known=all.sort((a,b)=>order.indexOf(a.health)-order.indexOf(b.health)||(a.key<b.key?-1:1));
  $("live").textContent="live, "+new Date().toLocaleTimeString();$("live").className="";draw();return true}
async function quietly(){try{return await load()}catch(e){$("live").textContent="not reachable, since "+new Date().toLocaleTimeString();$("live").className="err";draw()}}
async function listen(signal){
  while(!signal.aborted){try{const r=await ask("/v1/events",{signal});if(r.ok){const reader=r.body.getReader();let due;
    for(;;){const{done,value}=await reader.read();if(done)break;if(new TextDecoder().decode(value).includes("event:")){clearTimeout(due);due=setTimeout(quietly,200)}}}}
    catch(e){}await new Promise((r)=>setTimeout(r,3000))}}
async function start(){
  $("in").hidden=true;if(!(await quietly())){if(key==="")return;}
  if(key==="")return;$("out").hidden=false;$("board").hidden=false;
  const abort=new AbortController(),timer=setInterval(quietly,5000);stop=()=>{abort.abort();clearInterval(timer)};listen(abort.signal)}
function out(why){key="";sessionStorage.removeItem("key");if(stop)stop();known=[];asked++;$("list").replaceChildren();$("live").textContent="";$("board").hidden=true;$("out").hidden=true;$("in").hidden=false;$("why").textContent=why||"";return false}
$("in").addEventListener("submit",(e)=>{e.preventDefault();key=$("key").value.trim();$("key").value="";sessionStorage.setItem("key",key);$("why").textContent="";start()});
$("out").addEventListener("click",()=>out());if(key)start();else out();
`

const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Evertoken</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><style>${style}</style></head><body>
<header><h1>Evertoken</h1><span id="live" role="status"></span><button id="out" hidden>Sign out</button></header>
<form id="in" hidden><label for="key" class="dim">An API key that may <i>watch</i></label>
<input id="key" type="password" autocomplete="off" required placeholder="evk_…"><button>Sign in</button><span id="why" class="err" role="alert"></span></form>
<main id="board" hidden><p id="sum"></p><ul id="list"></ul></main><script>${script}</script></body></html>`

/** The status page: one file, nothing from elsewhere, nothing on it until somebody signs in. */
export const page = HttpServerResponse.text(html, { contentType: "text/html; charset=utf-8" })

const sha = (text: string) => `'sha256-${createHash("sha256").update(text, "utf8").digest("base64")}'`

/**
 * What a browser is told of an answer: keep it nowhere, guess nothing of it, show it in no frame. A page may run and
 * wear only what is in it, and talk only to us.
 */
export const headersOf = ({
  body,
  headers
}: HttpServerResponse.HttpServerResponse): Readonly<Record<string, string>> => {
  const isPage = headers["content-type"]?.startsWith("text/html") === true && body._tag === "Uint8Array"
  return {
    "content-security-policy": isPage ? policyOf(body.body) : "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff"
  }
}

const policyOf = (page: Uint8Array): string => {
  const known = policies.get(page)
  if (known !== undefined) return known
  const text = new TextDecoder().decode(page)
  const hashes = (tag: string) =>
    [...text.matchAll(new RegExp(`<${tag}>([^]*?)</${tag}>`, "g"))].map(([, inside = ""]) => sha(inside)).join(" ")
  const policy = `default-src 'none'; script-src ${hashes("script")}; style-src ${hashes("style")}; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`
  policies.set(page, policy)
  return policy
}
const policies = new WeakMap<Uint8Array, string>()
