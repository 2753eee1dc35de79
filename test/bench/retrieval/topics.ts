/*
 * Made up, like the conversations that are made of it. What a topic's opening says, its question says in other words; the
 * answer to `ask` says nothing of the topic at all.
 */
export interface Topic {
  /** What it is about, as the one who asks may call it. */
  thing: string
  /** Brings it up, in the words of whom it is about. `{x}` stands for one of `x`, and stays the same in the whole topic. */
  open: string[]
  /** What the other one asks right after. */
  ask: string[]
  /** What comes back: only the line before tells what it is about. */
  tell: string[]
  x: string[]
  y: string[]
  /** Asks for the opening: when, or whether. */
  when: string[]
  /** Asks for what was told. */
  what: string[]
  /** Asks for all times that it came up. */
  all: string
}

export const topics: Topic[] = [
  {
    thing: 'the pottery',
    open: [
      'I finally signed up for a pottery class, the first evening was yesterday.',
      'My ceramics course started last night and my hands still hurt.',
      'Went to the pottery studio again, wheel throwing is so calming.',
    ],
    ask: ['Oh nice! What did you make?', 'Lovely. So what came out of the kiln?', 'And, anything to show yet?'],
    tell: [
      'A {x} with a {y}. It is a bit crooked but I love it.',
      'Only a {x} so far, I painted a {y} on it.',
      'I gave it a {y}, for a first {x} it is fine.',
    ],
    x: ['bowl', 'teapot', 'vase', 'mug', 'candle holder'],
    y: ['blue glaze', 'row of foxes', 'sunflower', 'chipped rim', 'map of the coast'],
    when: ['When did {name} begin with ceramics lessons?', 'When did {name} go to the pottery workshop?'],
    what: ['What did {name} make at the pottery class?', 'Which piece did {name} form out of clay?'],
    all: 'What things has {name} created in pottery?',
  },
  {
    thing: 'the race',
    open: [
      'I ran the charity race for {x} last Saturday.',
      'We did that fundraising run on the weekend, it was for {x}.',
      'My legs are dead, the 10k for {x} was brutal.',
    ],
    ask: ['Wow, how did it feel?', 'Respect! Was it worth it?', 'How did it turn out?'],
    tell: [
      'I got {y} and cried a little at the end.',
      'It made me think about taking more care of myself, and I got {y}.',
      'Better than expected, {y}!',
    ],
    x: ['mental health', 'the animal shelter', 'clean rivers', 'the children’s ward', 'flood relief'],
    y: ['a medal', 'a personal best', 'two blisters and a hug from the mayor', 'third place'],
    when: ['When did {name} run a charity race?', 'When was {name}’s fundraising run?'],
    what: ['What did {name} achieve at the charity race?', 'What was the result of the run {name} took part in?'],
    all: 'For which causes has {name} been running?',
  },
  {
    thing: 'the new pet',
    open: [
      'We adopted a {x} from the shelter two days ago!',
      'There is a new member in our family, a {x}.',
      'Guess who sleeps on my sofa now? A little {x}.',
    ],
    ask: [
      'So cute! What is the name?',
      'Congratulations! What do you call the little one?',
      'Aww. How did you name it?',
    ],
    tell: ['{y}, after my grandmother’s favourite singer.', 'The kids insisted on {y}.', 'We went for {y} in the end.'],
    x: ['kitten', 'puppy', 'rabbit', 'hedgehog', 'parrot', 'greyhound'],
    y: ['Oliver', 'Biscuit', 'Luna', 'Pepper', 'Shakira', 'Mozart'],
    when: ['When did {name} adopt a pet?', 'When did {name} get the {x}?'],
    what: ['What is the name of {name}’s {x}?', 'How is {name}’s pet called?'],
    all: 'Which pets does {name} have?',
  },
  {
    thing: 'the interview',
    open: [
      'Had a job interview at {x} this morning.',
      'I applied at {x} and they actually invited me in.',
      'So, I talked to the people at {x} about the position today.',
    ],
    ask: ['Exciting! What did they say?', 'And? How was it?', 'Fingers crossed! Any answer yet?'],
    tell: [
      'They want someone who {y}, so I am hopeful.',
      'The boss asked whether I {y}. I do!',
      'It went well until they wanted to know if I {y}.',
    ],
    x: ['the city library', 'a robotics startup', 'the aquarium', 'the opera house', 'a bakery downtown'],
    y: ['speaks Portuguese', 'works nights', 'can travel a lot', 'has experience with volunteers', 'is good with kids'],
    when: ['When did {name} have an interview for a new job?', 'When did {name} apply for work?'],
    what: ['What was {name} asked in the job interview?', 'What does the employer {name} talked to look for?'],
    all: 'Where has {name} applied for jobs?',
  },
  {
    thing: 'the camping trip',
    open: [
      'We just came back from camping in {x}.',
      'Spent the week in a tent in {x} with the family.',
      'The trip to {x} was exactly what we needed, no phones, only stars.',
    ],
    ask: ['Sounds dreamy. What was the best part?', 'I am jealous! What did you like most?', 'Any highlight?'],
    tell: [
      'Definitely when we {y}.',
      'The moment we {y}, nobody said a word.',
      'My youngest will never forget how we {y}.',
    ],
    x: ['the mountains', 'the national park', 'the forest by the lake', 'the desert', 'the dunes up north'],
    y: [
      'saw the meteor shower',
      'roasted chestnuts',
      'met a moose',
      'swam at midnight',
      'got lost and found a waterfall',
    ],
    when: ['When did {name} go camping?', 'When was {name}’s family on vacation in {x}?'],
    what: [
      'What was {name}’s favourite moment on the camping trip?',
      'What did {name} see or do while sleeping outdoors?',
    ],
    all: 'In which places has {name} camped?',
  },
  {
    thing: 'the book',
    open: [
      'I am reading {x} at the moment and can not put it down.',
      'Finished {x} on the train today.',
      'Someone at work lent me {x}, it is a thick one.',
    ],
    ask: ['Never heard of it. What do you like about it?', 'What is it about?', 'Would you recommend it?'],
    tell: [
      'It is really about {y}, in a quiet way.',
      'Yes! It made me think about {y}.',
      'It taught me a lot about {y}.',
    ],
    x: ['“The Salt Road”', '“Nine Winters”', '“Becoming Nicole”', '“A Cartographer’s Daughter”', '“Charlotte’s Web”'],
    y: ['self acceptance', 'grief', 'friendship between generations', 'living with the sea', 'never giving up'],
    when: ['When did {name} read {x}?', 'When did {name} finish the novel?'],
    what: ['What did {name} take away from the book?', 'What does {name} think {x} is about?'],
    all: 'What books has {name} read?',
  },
  {
    thing: 'the music',
    open: [
      'My {x} is coming along, I practise every day now.',
      'I have been taking {x} lessons since last month.',
      'Bought myself an old {x} at the flea market, the neighbours hate me.',
    ],
    ask: ['Which song are you working on?', 'What can you play already?', 'Fun! Got a favourite tune yet?'],
    tell: ['Mostly {y}, badly.', 'Trying {y}, the second half is hard.', 'Only {y}, over and over again.'],
    x: ['violin', 'clarinet', 'ukulele', 'accordion', 'cello'],
    y: ['“Summer” by Vivaldi', 'a lullaby my mother sang', 'an old sea shanty', '“Perfect”', 'a tango'],
    when: ['When did {name} start to learn an instrument?', 'When did {name} get the {x}?'],
    what: ['What music does {name} practise?', 'Which piece does {name} play on the {x}?'],
    all: 'What instruments does {name} play?',
  },
  {
    thing: 'the support group',
    open: [
      'I went to the {x} support group and it was so powerful.',
      'There was a meeting of the {x} group last Thursday, I finally dared to go.',
      'I joined a circle of people dealing with {x}.',
    ],
    ask: [
      'That takes courage. How do you feel now?',
      'I am proud of you! What did you take from it?',
      'What was it like?',
    ],
    tell: ['Their stories gave me {y}.', 'I walked home with {y}, honestly.', 'It left me with {y}.'],
    x: ['grief', 'LGBTQ', 'new parents', 'anxiety', 'caregivers'],
    y: [
      'the courage to speak up',
      'a lot of hope',
      'three new friends',
      'a plan to see a counsellor',
      'tears and relief',
    ],
    when: [
      'When did {name} attend a support group?',
      'When did {name} first meet other people with the same struggles?',
    ],
    what: ['What did the support group give {name}?', 'How did {name} feel after the self-help meeting?'],
    all: 'Which support groups does {name} belong to?',
  },
  {
    thing: 'the painting',
    open: [
      'I painted {x} over the weekend.',
      'Here is the canvas I worked on, {x}.',
      'My latest picture is done: {x}.',
    ],
    ask: [
      'Gorgeous! What inspired you?',
      'The colours! Where does the idea come from?',
      'What is the story behind it?',
    ],
    tell: ['It came to me when {y}.', 'I had that in mind since {y}.', 'Hard to say, I think it was because {y}.'],
    x: ['a sunrise over the lake', 'a horse', 'two dancers', 'the harbour in fog', 'a self-portrait'],
    y: [
      'we visited my aunt in the hospital',
      'I saw an exhibition of young artists',
      'my daughter had her recital',
      'the power went out',
      'I walked home in the rain',
    ],
    when: ['When did {name} paint {x}?', 'When did {name} complete the artwork?'],
    what: ['What inspired {name}’s painting?', 'Why did {name} paint {x}?'],
    all: 'What subjects has {name} painted?',
  },
  {
    thing: 'the car',
    open: [
      'The car broke down again, right on {x}.',
      'You will not believe it, my engine died on {x}.',
      'Had to be towed from {x} this afternoon.',
    ],
    ask: ['Oh no! What was wrong?', 'Again? What did the mechanic say?', 'Expensive?'],
    tell: [
      'It was {y}, four hundred for that.',
      'Just {y}, thank goodness.',
      'He says {y}, and that I should sell it.',
    ],
    x: ['the highway', 'the old bridge', 'the way to the airport', 'my street', 'the ferry'],
    y: ['the fuel pump', 'a loose cable', 'a mouse in the air filter', 'the timing belt', 'an empty battery'],
    when: ['When did {name}’s vehicle fail?', 'When did {name} have car trouble?'],
    what: ['What was the matter with {name}’s car?', 'What had to be repaired on the vehicle of {name}?'],
    all: 'Where has {name}’s car broken down?',
  },
  {
    thing: 'the birthday',
    open: [
      'We threw a party for my {x} on Friday.',
      'My {x} had a birthday and I organised everything.',
      'The celebration for my {x} was a success!',
    ],
    ask: ['What did you give as a present?', 'Sweet! Any special gift?', 'What was in the box then?'],
    tell: [
      '{y}, wrapped in an old newspaper.',
      'We all put together for {y}.',
      'I had found {y} months ago and hid it.',
    ],
    x: ['sister', 'father', 'best friend', 'nephew', 'grandma'],
    y: [
      'A telescope',
      'A jar full of letters',
      'Tickets to the ballet',
      'A hand-knitted scarf',
      'A weekend at the seaside',
    ],
    when: ['When did {name} celebrate with the {x}?', 'When was the birthday that {name} organised?'],
    what: ['What gift did {name} give to the {x}?', 'What present did {name} pick for the birthday?'],
    all: 'For whom has {name} thrown parties?',
  },
  {
    thing: 'the garden',
    open: [
      'I am planting {x} behind the house this spring.',
      'The garden finally gets {x}, I dug all morning.',
      'Look at my back yard, {x} everywhere.',
    ],
    ask: ['Do you use anything against the snails?', 'How do you keep them alive?', 'What is your secret?'],
    tell: ['{y}, that is all it takes.', 'My grandfather swore by {y}.', 'Only {y}, nothing from the shop.'],
    x: ['tomatoes', 'lavender', 'pumpkins', 'an apple tree', 'wild roses'],
    y: ['Coffee grounds', 'Copper tape', 'Two ducks', 'Egg shells', 'Rainwater in the evening'],
    when: ['When did {name} plant {x}?', 'When did {name} work in the garden?'],
    what: ['What does {name} use to look after the plants?', 'How does {name} protect the garden?'],
    all: 'What grows in {name}’s garden?',
  },
  {
    thing: 'the doctor',
    open: [
      'My knee is acting up, so I saw {x} today.',
      'I had to go to {x} because of the pain in my back.',
      'Slept badly for weeks, {x} took a look at me.',
    ],
    ask: ['What do you have to do now?', 'Did you get any advice?', 'And what helps?'],
    tell: ['{y}, every morning, for six weeks.', 'I was told to try {y}.', 'Believe it or not: {y}.'],
    x: ['a physiotherapist', 'the doctor', 'an acupuncturist', 'the orthopedist'],
    y: ['Swimming', 'Less coffee', 'Stretching on the floor', 'A harder mattress', 'Walking barefoot'],
    when: ['When did {name} seek medical help?', 'When did {name} visit {x}?'],
    what: ['What treatment was {name} advised to do?', 'What was recommended to {name} for the health problem?'],
    all: 'Which medical people has {name} seen?',
  },
  {
    thing: 'the move',
    open: [
      'We are moving to {x} in autumn, it is decided.',
      'Signed the lease for the flat in {x}!',
      'Boxes everywhere, {x} here we come.',
    ],
    ask: ['What made you choose it?', 'That is far! Why there?', 'How come?'],
    tell: ['Mostly because {y}.', 'Honestly, {y}.', 'It all started when we noticed that {y}.'],
    x: ['Lisbon', 'Sweden', 'the coast', 'Galway', 'a village in the Alps'],
    y: [
      'the schools are small',
      'my brother lives around the corner',
      'rent is half of ours',
      'we missed the sea',
      'the doctors there know his illness',
    ],
    when: ['When did {name} decide to relocate?', 'When did {name} sign for the new apartment?'],
    what: ['Why is {name} moving?', 'What is the reason that {name} relocates to {x}?'],
    all: 'To which places has {name} planned to move?',
  },
  {
    thing: 'the volunteering',
    open: [
      'I volunteer at {x} on Sundays now.',
      'Helped out at {x} for the first time.',
      'They gave me a badge at {x}, I am official!',
    ],
    ask: ['Good for you. What do you do there?', 'What are your tasks?', 'So how does such a day look?'],
    tell: ['Mostly I {y}.', 'I {y} and drink terrible coffee.', 'This week I got to {y}.'],
    x: ['the soup kitchen', 'the youth center', 'the homeless shelter', 'the bird rescue', 'the museum'],
    y: ['teach kids to code', 'peel potatoes', 'answer the phone', 'read to blind people', 'fix bicycles'],
    when: ['When did {name} start volunteering?', 'When did {name} help at {x}?'],
    what: ['What does {name} do as a volunteer?', 'Which work does {name} do at {x}?'],
    all: 'Where does {name} volunteer?',
  },
  {
    thing: 'the cooking',
    open: [
      'Tried to cook {x} from my aunt’s recipe.',
      'Dinner was {x} tonight, all by myself.',
      'I brought {x} to the potluck and it was gone in minutes.',
    ],
    ask: ['Yum! What is the trick?', 'Would you share how you did it?', 'Mine never works. What goes in?'],
    tell: ['You need {y}, and patience.', 'A bit of {y} at the very end.', 'Everybody forgets {y}.'],
    x: ['moussaka', 'dumplings', 'a lentil stew', 'cinnamon rolls', 'paella'],
    y: ['smoked paprika', 'orange peel', 'ice-cold butter', 'a spoon of miso', 'vinegar'],
    when: ['When did {name} cook {x}?', 'When did {name} prepare a meal after a family recipe?'],
    what: ['What ingredient does {name} consider important for {x}?', 'Which secret is in the dish that {name} made?'],
    all: 'Which dishes has {name} made?',
  },
]

/** How a question, and an answer, may tell by themselves what they are about. */
export const askedAbout = ' Tell me about {thing}!'
export const toldAbout = ' That is what I will remember {thing} for.'

/** Said at any time, about nothing much, with the words that questions are made of. */
export const smallTalk = [
  'Hey {other}! Great to see you, how have you been?',
  'Hi {other}, long time no talk! What is new?',
  'That is awesome, {other}! Keep me posted.',
  'Thanks, {other}, that means a lot to me.',
  'Totally agree, family is everything.',
  'Wow, {other}, that is such a great picture!',
  'I hear you. Some days are just like that.',
  'Haha, I would have paid to see that.',
  'You are right, small steps matter.',
  'Sorry to hear that, {other}. I am here if you need to talk.',
  'By the way, did you see the weather report? Storm on the weekend.',
  'What a week! I did nothing but work and sleep.',
  'Thanks for asking! Things are busy but good.',
  'Let us catch up soon, {other}. Coffee on me.',
  'It is amazing how time flies when the kids grow up.',
  'I wish I had your energy, {other}.',
  'That reminds me, I still need to call my mother back.',
  'Yeah, I love that. It helps me to relax and be myself.',
  'No way! When did that happen?',
  'Sounds like a plan. Take care, {other}!',
  'My {kin} sends greetings, we talked about you at dinner.',
  'I used to think so too, until I tried.',
  'Do you remember what we said about that last year?',
  'It was a fun day, the kids were so excited and had a blast.',
  'I am thinking of taking a class, maybe painting or music, to get out more.',
  'My friend bought a car and went on a trip with her dog, imagine.',
  'We all went to the park for a run and a picnic with the family.',
  'Someone at work is moving, so there was cake and a card for everybody.',
  'I saw a lovely garden on the way home and had to think of your birthday.',
  'Reading the news makes me anxious, so I cook instead.',
]

export const kin = ['sister', 'brother', 'cousin', 'aunt', 'neighbour']

export const names = [
  ['Caroline', 'Melanie'],
  ['Jon', 'Gina'],
  ['Amara', 'Felix'],
  ['Nate', 'Joanna'],
  ['Tim', 'Rosa'],
  ['Audrey', 'Andrew'],
  ['Ida', 'Marek'],
  ['Evan', 'Samira'],
  ['Calvin', 'Noor'],
  ['Deborah', 'Jolene'],
] as const
