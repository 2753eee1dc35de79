/*
 * Words that carry grammar rather than a subject. In a large memory their frequency alone gives them away; in a small one it
 * does not, and a question would find whatever else is put as a question. Only where a text has nothing else do they count.
 */
const english = `a about after all also am an and any are as at be because been before being both but by can could did do
does doing done down for from get got had has have having he her here hers him his how i if in into is it its just know like
me more most much my no not now of off on once only or other our out over own please really she should so some such tell than
that the their theirs them then there these they thing things this those through to too under up us very was we were what
when where which while who whom whose why will with would yes you your yours s t d ll m re ve don didn doesn isn aren wasn
weren hasn haven hadn won wouldn couldn shouldn`
const german = `aber als am an auch auf aus bei bin bist da das dass dein dem den der des die dies doch du durch ein eine
einem einen einer er es für hat hatte ich ihr im in ist ja kann kein man mein mit nach nicht noch nur oder ob sein sich sie
sind so um und uns unser von vor wann war waren warum was welche welcher welches wem wen wenn wer werden wie wir wird wo zu
zum zur`
const french = `au aux avec ce ces cette comment dans de des du elle en est et eu il ils je la le les leur lui ma mais me
mes moi mon ne nos notre nous on ou où par pas pour pourquoi quand que quel quelle qui sa ses son sont sur ta te tes toi ton
tu un une vos votre vous été était`
const spanish = `al como cómo con cual cuál cuando cuándo de del donde dónde el ella en era es esta este fue ha hay la las
le lo los me mi mis muy no nos o para pero por porque qué que quién se ser si sí sin son su sus te tu tú un una y ya yo`
const italian = `al alla che chi ci come con cosa cui da dal dei del della di dove e è era gli ha ho i il in io la le lo lui
ma mi mio nel non o per perché più quale quando se si sono su suo ti tu un una uno`
const portuguese = `ao aos as às com como da das de do dos e é ela ele em era esta este eu foi há isso lhe mas me meu minha
na nas no nos não o os ou para pela pelo por porque qual quando que quem se sem ser seu sua são te um uma você`
const dutch = `aan als bij dan dat de die dit door een en er het hij hoe ik in is je kan maar me met mijn naar niet of om
onder ons ook op over te tot uit van voor waar waarom wanneer was wat we welke wie wij ze zij zijn`

const lightWords = new Set(
  [english, german, french, spanish, italian, portuguese, dutch].flatMap((words) => words.split(/\s+/)),
)

export function isLight(word: string): boolean {
  return lightWords.has(word.toLowerCase())
}
