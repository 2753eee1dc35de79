export const adverbs =
  '(?:(?:really|absolutely|just|also|still|currently|now|always|usually|truly|generally|mostly|totally|personally|quite|recently|finally|both|rather|especially|officially|originally|happily) )*'
export const am = "i(?:'m| am)"
export const not = "(?<not>(?:do not|don't|dont|no longer|never|can't|cannot) )?"
export const notAm = '(?<not>(?:not|no longer) )?'
export const shape = (source: string) => new RegExp(`^${source}$`, 'iu')

/** Relations of which people have one, and those of which they may have several. */
export const oneRelation =
  'wife|husband|spouse|fiancée?|girlfriend|boyfriend|mother|mum|mom|father|dad|boss|landlord|landlady'
export const relation = `${oneRelation}|partner|brother|sister|son|daughter|child|friend|best friend|colleague|coworker|co-worker|neighbou?r|uncle|aunt|cousin|nephew|niece|grandmother|grandfather|grandma|grandpa|teacher|doctor|dentist|therapist|manager|roommate|flatmate`
export const age = '(?:(?:older|younger|eldest|oldest|youngest|little|big|twin|late|new) )?'
export const animal =
  'dog|cat|rabbit|hamster|horse|parrot|bird|fish|turtle|tortoise|snake|guinea pig|puppy|kitten|pony|goat|chicken|ferret|lizard|gecko'
export const owned = `${animal}|car|bike|bicycle|motorbike|motorcycle|boat|van|camper|house|flat|apartment|cabin|garden|piano|guitar|violin|drum kit|camera|telescope|printer|3d printer|laptop|desktop|phone|tablet|server|nas|drone|kayak|caravan|tesla|allotment|vineyard|farm|shop`
export const profession =
  'nurse|doctor|teacher|engineer|developer|programmer|designer|lawyer|attorney|student|professor|scientist|researcher|writer|author|journalist|artist|musician|chef|cook|manager|consultant|accountant|architect|electrician|plumber|carpenter|mechanic|pilot|dentist|pharmacist|therapist|psychologist|physician|surgeon|paramedic|firefighter|farmer|baker|photographer|translator|editor|librarian|analyst|administrator|sysadmin|entrepreneur|founder|salesperson|barista|waiter|waitress|driver|police officer|soldier|physicist|chemist|biologist|mathematician|economist|actor|actress|singer|dancer|hairdresser|gardener|tutor|freelancer|vet|veterinarian|midwife|judge|nanny|welder|bricklayer|roofer|statistician|geologist|historian|philosopher'
export const people =
  'german|french|english|british|american|canadian|australian|spanish|italian|portuguese|brazilian|mexican|argentinian|polish|czech|slovak|hungarian|romanian|bulgarian|greek|turkish|russian|ukrainian|swedish|norwegian|danish|finnish|dutch|belgian|swiss|austrian|irish|scottish|welsh|chinese|japanese|korean|vietnamese|thai|indian|pakistani|indonesian|filipino|egyptian|moroccan|nigerian|kenyan|ethiopian|south african|israeli|iranian|iraqi|lebanese|syrian|colombian|chilean|peruvian|cuban|croatian|serbian|slovenian|estonian|latvian|lithuanian|icelandic'
export const language = `${people}|mandarin|cantonese|arabic|hebrew|hindi|urdu|bengali|tamil|persian|farsi|swahili|catalan|basque|gaelic|esperanto|latin|tagalog|malay`
