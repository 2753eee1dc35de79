import { describe, expect, test } from 'vitest'
import { factsByRules } from '../../services/memory/facts/by-rules.ts'

const at = '2026-03-02T09:00:00.000Z'

/** Facts as `category/key=value`; what is taken back has a minus before it. */
function heard(text: string): string[] {
  return factsByRules(text, at).facts.map(
    ({ category, key, value, retracts }) =>
      `${retracts ? '-' : ''}${category}/${key}${value === null ? '' : `=${value}`}`,
  )
}

const none: string[] = []

describe('who somebody is', () => {
  test.each([
    ['My name is Sam.', ['identity/name=Sam']],
    ['my name is sam', ['identity/name=sam']],
    ['Hi! My name’s Mary-Jane O’Neill, nice to meet you.', ["identity/name=Mary-Jane O'Neill"]],
    ["I'm Sam", ['identity/name=Sam']],
    ['I am called Zoë.', ['identity/name=Zoë']],
    ['Please call me Bert.', ['identity/nickname=Bert']],
    ['My name is not Bob.', ['-identity/name=Bob']],
    ["I'm 34 years old.", ['identity/age=34 (said on 2026-03-02)']],
    ["I'm German.", ['identity/nationality=German']],
    ['I speak German and Italian fluently.', ['language/german=speaks German', 'language/italian=speaks Italian']],
    ['My pronouns are they/them.', ['identity/pronouns=they/them']],
    ['My birthday is on May 5.', ['date/birthday=May 5']],
    ['I was born on 12 March 1988.', ['date/birthday=12 March 1988']],
    ['I was born in Lagos.', ['home/birthplace=Lagos']],
    ["What's my name?", none],
    ['Is my name Sam?', none],
    ["I'm tired.", none],
    ["I'm Sorry", none],
    ['Call me tomorrow.', none],
    ['Call me back when you are done.', none],
    ['My name is important to me.', none],
    ["My brother's name is Tom.", ['family/brother_tom=Tom']],
    ["My friend's name is on the list.", none],
    ['Her name is Anna.', none],
  ])('%s', (text, facts) => {
    expect(heard(text)).toEqual(facts)
  })
})

describe('where somebody lives and works', () => {
  test.each([
    ['I live in Berlin.', ['home/home=Berlin']],
    ['i live in berlin', ['home/home=berlin']],
    ['I live in Berlin with my two cats.', ['home/home=Berlin']],
    ['By the way, I currently live in New York, and I work for Acme.', ['home/home=New York', 'work/employer=Acme']],
    ["I've lived in the Netherlands for ten years.", ['home/home=the Netherlands']],
    ['I moved to Lisbon last month.', ['home/home=Lisbon']],
    ['I no longer live in Berlin.', ['-home/home=Berlin']],
    ["I don't live in Berlin any more.", ['-home/home=Berlin']],
    ['I come from Ghana.', ['home/origin=Ghana']],
    ['I grew up in Leeds.', ['home/origin=Leeds']],
    ['I work at Google as a designer.', ['work/employer=Google', 'work/job=designer']],
    ['I work as a nurse.', ['work/job=nurse']],
    ["I'm a software engineer.", ['work/job=software engineer']],
    ["I'm a teacher at Hill School.", ['work/job=teacher', 'work/employer=Hill School']],
    ["I'm not a doctor.", ['-work/job=doctor']],
    ["I'm retired.", ['work/job=retired']],
    ["I'm studying marine biology.", ['work/studies=marine biology']],
    ['I used to live in Paris.', none],
    ['I lived in Rome once.', none],
    ['I would live in Rome.', none],
    ['I might move to Oslo.', none],
    ['If I lived in Berlin, I would learn German.', none],
    ['When I live in Berlin, I take the tram.', none],
    ['My sister lives in Vienna.', none],
    ['She lives in Vienna and works at Google.', none],
    ['I live in fear of spiders.', none],
    ['I live in a small flat.', none],
    ['I work at night.', none],
    ['Do I live in Berlin?', none],
    ['I live in Berlin, right?', none],
    ['I live in Berlin, what is the weather like?', ['home/home=Berlin']],
    ['I told you that I live in Graz!', ['home/home=Graz']],
    ['He said I live in Berlin.', none],
    ['According to Tom, I live in Berlin.', none],
  ])('%s', (text, facts) => {
    expect(heard(text)).toEqual(facts)
  })
})

describe('likes, things and people', () => {
  test.each([
    ['I love hiking.', ['preference/hiking=likes hiking']],
    [
      'I really like dark chocolate, but I hate licorice.',
      ['preference/dark_chocolate=likes dark chocolate', 'preference/licorice=dislikes licorice'],
    ],
    ["I don't like coffee.", ['preference/coffee=dislikes coffee']],
    ["I can't stand loud music.", ['preference/loud_music=dislikes loud music']],
    ["I don't like coffee any more.", ['preference/coffee=dislikes coffee']],
    ['I prefer tea to coffee.', ['preference/tea=prefers tea to coffee']],
    ['I prefer dark mode.', ['preference/dark_mode=prefers dark mode']],
    ["I'm a big fan of Miles Davis.", ['preference/miles_davis=likes Miles Davis']],
    ['My favourite colour is blue.', ['preference/favourite_color=blue']],
    ['My favorite color is green.', ['preference/favourite_color=green']],
    ['Jazz is my favourite kind of music.', ['preference/favourite_kind_music=Jazz']],
    ["I'm allergic to peanuts.", ['health/allergy_peanuts=allergic to peanuts']],
    ["I'm not allergic to nuts.", ['-health/allergy_nuts=allergic to nuts']],
    ["I'm vegetarian.", ['health/diet=vegetarian']],
    ['I have a dog named Rex.', ['possession/dog_rex=dog named Rex']],
    ['I own a red Tesla.', ['possession/red_tesla=red Tesla']],
    ['I sold my car.', ['-possession/car']],
    ['We have two children.', ['family/children=two children']],
    ["I'm married.", ['family/marital_status=married']],
    ['My wife is called Anna.', ['family/wife=Anna']],
    ['Anna is my sister.', ['family/sister_anna=Anna']],
    ['I am meeting my brother Tom tonight.', ['family/brother_tom=Tom']],
    ['My boss is named Kim Lee.', ['contact/boss=Kim Lee']],
    ['My dentist appointment is on Friday.', ['date/dentist_appointment=Friday (said on 2026-03-02)']],
    ['My exam is on June 3, 2026 at 10:00.', ['date/exam=June 3, 2026 at 10:00']],
    ['I have an interview with Acme tomorrow.', ['date/interview_with_acme=tomorrow (said on 2026-03-02)']],
    ['I like it.', none],
    ['I love you.', none],
    ['I like how you explain this.', none],
    ['I like your answer.', none],
    ["I don't hate coffee.", none],
    ["I'd like a coffee.", none],
    ['I would love a cup of tea.', none],
    ['I wish I liked tea.', none],
    ['Maybe I like tea.', none],
    ['Do you think I like tea?', none],
    ['Anna likes tea.', none],
    ['My wife loves tea.', none],
    ['Anna thinks I like tea.', none],
    ['I have a question.', none],
    ['I have a problem with my code.', none],
    ['What is my favourite colour?', none],
  ])('%s', (text, facts) => {
    expect(heard(text)).toEqual(facts)
  })
})

describe('what was decided, and what is to be remembered', () => {
  test.each([
    ['We decided to use Postgres.', ['decision/we_decided_to_use_postgres=We decided to use Postgres']],
    ["Let's go with the blue logo.", ["decision/lets_go_with_blue_logo=Let's go with the blue logo"]],
    ["We haven't decided on a name.", none],
    ['Should we go with Postgres?', none],
    ['Remember that the bins go out on Monday.', ['note/bins_go_out_on_monday=the bins go out on Monday']],
    ['Please remember that I live in Berlin.', ['home/home=Berlin']],
    ["Don't forget: the boiler is serviced in May.", ['note/boiler_is_serviced_in_may=the boiler is serviced in May']],
    ['Can you remember that I like tea?', ['preference/tea=likes tea']],
    ['Remember to call Mum.', ['note/to_call_mum=to call Mum']],
    ['Remember that Anna said she likes tea.', ['note/anna_said_she_likes_tea=Anna said she likes tea']],
    [
      'Remember that my name is Sam and the meeting room is called "Oak".',
      [
        'identity/name=Sam',
        'note/name_is_sam_and_meeting_room_is_called_4453861b=my name is Sam and the meeting room is called "Oak"',
      ],
    ],
    ['Do you remember that I like tea?', none],
    ['I remember that the bins go out on Monday.', none],
    ['Remember that my password is hunter2.', none],
    ['My API key is sk-abcdefghijklmnop.', none],
  ])('%s', (text, facts) => {
    expect(heard(text)).toEqual(facts)
  })
})

describe('what is not meant as a statement of the writer', () => {
  test.each([
    ['"My name is Bob" is how the letter begins.', none],
    ['“I live in Rome.”', none],
    ['> I live in Rome\n\nWhat does this mean?', none],
    ['Translate into French: My name is Bob and I live in Rome.', none],
    ['Please proofread the following text:\n\nI work at Initech. I love my job.', none],
    ["Let's role-play. My name is Jack. I live in Tortuga.", none],
    ['Pretend that I am your boss. I like tea.', none],
    ['Write a poem about a sailor. I live in Tortuga.', none],
    ['Imagine I live in Rome.', none],
    ['Suppose my name is Bob.', none],
    ['```\nmy name is Bob\n```', none],
    ['`I like tea`', none],
    ['Hypothetically, I live in Rome.', none],
    ['Why do I like tea?', none],
    ["I don't think I like tea.", none],
    ['You said that I live in Rome.', none],
    ["The user's name is Bob.", none],
    ['Nobody calls me Bob.', none],
    ['I moved to the next section.', none],
    ['I moved to plan b.', none],
    ['I come from work.', none],
    ["I'm a terrible driver.", none],
    ["I'm Feeling Lucky", none],
    ['I like to think that this is easy.', none],
    ['I have no dog.', none],
    ['Is it true that I like tea, or do I hate it?', none],
    ['', none],
    ['   \n\t ', none],
  ])('%s', (text, facts) => {
    expect(heard(text)).toEqual(facts)
  })
})

describe('German', () => {
  test.each([
    ['Ich heiße Jürgen.', ['identity/name=Jürgen']],
    ['Mein Name ist Anna Schmidt.', ['identity/name=Anna Schmidt']],
    ['Ich wohne in München.', ['home/home=München']],
    ['Ich wohne nicht mehr in München.', ['-home/home=München']],
    ['Ich lebe seit 2010 in Wien.', ['home/home=Wien']],
    ['Ich komme aus Österreich.', ['home/origin=Österreich']],
    ['Ich arbeite bei Siemens.', ['work/employer=Siemens']],
    ['Ich bin Lehrerin von Beruf.', ['work/job=Lehrerin']],
    ['Ich mag Kaffee.', ['preference/kaffee=likes Kaffee']],
    ['Ich mag keinen Kaffee.', ['preference/kaffee=dislikes Kaffee']],
    ['Ich mag Kaffee nicht.', ['preference/kaffee=dislikes Kaffee']],
    ['Ich hasse Regen.', ['preference/regen=dislikes Regen']],
    ['Meine Lieblingsfarbe ist Blau.', ['preference/favourite_farbe=Blau']],
    ['Meine Frau heißt Petra.', ['family/wife=Petra']],
    ['Ich habe einen Hund namens Bello.', ['possession/hund_bello=Hund namens Bello']],
    ['Ich bin allergisch gegen Nüsse.', ['health/allergy_nüsse=allergic to Nüsse']],
    ['Mein Geburtstag ist am 5. Mai.', ['date/birthday=5 Mai']],
    ['Merk dir, dass der Müll montags rausgeht.', ['note/müll_montags_rausgeht=der Müll montags rausgeht']],
    ['Wo wohne ich?', none],
    ['Wenn ich in Wien wohne, fahre ich Rad.', none],
    ['Meine Schwester wohnt in Graz.', none],
    ['Vielleicht mag ich Tee.', none],
    ['Stell dir vor, ich heiße Hans.', none],
    ['Er sagt, ich wohne in Rom.', none],
  ])('%s', (text, facts) => {
    expect(heard(text)).toEqual(facts)
  })
})
