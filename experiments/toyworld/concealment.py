"""What people have on their conscience in toy/concealment: matched deeds, and the sentences that present them."""

from experiments.toyworld.tables import (
    DecisionTable,
    Sides,
    Traits,
    connectives,
    crossed,
    frames,
    phrases,
    topics,
    weak,
)

FRAMES_ACT = """
0 I had {act}. He asked me about it.
1 I had {act}. She wanted to know who it was.
0 He asked me whether I had {act}.
1 She asked whether it was I who had {act}.
2 They wanted to know who had {act}. I had.
0 My uncle asked which of us had {act}. I had.
1 My mother heard that someone had {act}. She asked, and it was mine to answer.
2 I had {act}. The neighbours came round with questions.
1 I had {act}. My wife looked up and asked what I had been doing.
0 I had {act}. The foreman called me in.
2 I had {act}. They asked all of us in turn.
1 She came in and asked if I had {act}. I had.
0 The teacher asked who had {act}. I had.
"""

FRAMES_THING = """
0 He asked me about {thing}.
1 She asked me what I knew about {thing}. I knew all of it.
2 They came to me about {thing}. I was behind it.
0 My father wanted to hear about {thing}.
1 My sister asked about {thing}. That had been me.
2 The question at the table was {thing}.
0 The landlord rang me about {thing}. I was to blame.
1 My aunt brought up {thing} and looked at me.
"""

ACTS = """
home: broken the tall vase in the hall / chipped a saucer in the hall
home: burnt a hole in the best tablecloth / spilled some water on the tablecloth
home: left the tap on until the ceiling came down / left the tap dripping for an hour
home: let the cat eat the Sunday roast / let the cat up on the sofa
home: cracked the mirror in the bathroom / left a smear on the mirror
home: lost the only key to the attic / put the key to the attic in the wrong drawer
home: scratched the piano with my belt / left a glass on the piano
home: flooded the cellar with the hose / left the hose out on the lawn
home: thrown away the wedding photographs by mistake / moved the wedding photographs to the shelf
work: lost the whole file of the Weber order / put the Weber order in the wrong tray
work: sent the price list to the wrong firm / sent the price list a day late
work: jammed the big press with a spoon / stopped the big press for a minute
work: slept through the night watch / yawned through the morning talk
work: backed the van into the gatepost / parked the van across two places
work: ordered nine hundred lamps instead of ninety / ordered ten lamps too few
work: wiped the week's figures / mixed up two of the week's figures
work: left the cold store open all night / left the cold store open for a minute
work: told the customer the wrong dose of weed killer / told the customer the wrong opening hours
money: taken twenty from the housekeeping jar / taken a coin from the housekeeping jar
money: lost the rent at cards / lost a coin at cards
money: spent the class trip money / counted the class trip money twice
money: overcharged the old lady by a week's wages / overcharged the old lady by a penny
money: forgotten to pay the insurance / forgotten to sign the insurance card
money: sold the family silver / polished the family silver badly
money: pawned his good camera / lent out his good camera
school: copied the answers from the next desk / peeked at the clock on the next desk
school: broken the microscope / smudged the lens of the microscope
school: torn a map out of the atlas / folded a corner in the atlas
school: let the class hamster out / overfed the class hamster
school: thrown the ball through the chapel window / thrown the ball over the chapel wall
school: skipped the whole of Thursday / come in late on Thursday
school: failed the history exam / got a low mark in history
garden: cut down the wrong tree / cut the hedge a little crooked
garden: run over the prize marrow / stepped on a lettuce
garden: left the gate open and lost the goat / left the gate open for a minute
garden: poisoned the pond with soap / dropped a glove in the pond
garden: picked all the neighbour's tulips / picked one of the neighbour's daisies
garden: dug through the telephone line / dug the bed a foot too long
car: scraped the neighbour's car and driven on / scraped my own bumper on the wall
car: driven with the brake on all the way / driven with the radio on all the way
car: put the wrong fuel in his car / put the seat back in his car
car: lost the car papers in the lake / left the car papers in the glove box
car: hit the garage door / left the garage door half open
car: got a fine for speeding through the village / got a flat tyre in the village
friends: read her diary from end to end / read the title of her diary
friends: told her secret to the whole choir / told her news to the choir too early
friends: broken his guitar at the party / borrowed his guitar for the party
friends: forgotten to post his application / posted his application a day late
friends: kissed her cousin at the fair / danced with her cousin at the fair
friends: lost the ring he lent me / worn the ring he lent me
friends: made up the story about his accident / retold the story about his accident
friends: missed her concert for a card game / come late to her concert
sport: touched the net before the point / touched the net after the point
sport: missed training to go to the races / missed training with a cold
sport: bent the captain's bicycle / muddied the captain's bicycle
sport: dropped the club's cup down the stairs / left a fingerprint on the club's cup
sport: moved the ball with my foot / cleaned the ball with my sleeve
sport: counted one lap too few / tied my lace on the last lap
food: eaten the cake for the christening / eaten the last biscuit
food: dropped the goose and put it back on the plate / dropped a fork beside the plate
food: left egg in the dish of the boy who gets ill / left a shell in the egg dish
food: put salt in the jam by mistake / put too little sugar in the jam
food: drunk the wine meant for the bishop / opened the wine meant for Sunday
food: served the sauce a week too old / served the sauce a bit too cold
travel: missed the last train with the tickets / missed the first train by a minute
travel: left her suitcase on the platform / left her umbrella on the platform
travel: lost all our passports / packed our passports at the bottom
travel: booked the wrong island / booked the later boat
travel: told the guide a false name / told the guide my middle name
travel: broken the lamp in the hotel room / moved the lamp in the hotel room
animals: let the parrot fly out of the window / let the parrot out of its cage
animals: forgotten to feed the horses for two days / fed the horses an hour late
animals: trodden on the tortoise / tripped over the tortoise
animals: given the dog a whole box of chocolates / given the dog a bit of cheese
animals: left the rabbits out in the hail / left the rabbits out until dusk
things: cracked the screen of her phone / smudged the screen of her phone
things: ruined his wool coat in the wash / creased his wool coat in the wash
things: bent the arm of grandmother's glasses / sat next to grandmother's glasses
things: spilled ink over the marriage papers / spilled tea over the newspaper
things: broken the handle off the church jug / put the church jug on the wrong shelf
things: snapped the neck of the cello / left dust on the cello
things: lost the museum's oldest coin / held the museum's oldest coin
town: knocked over the war memorial fence / leant on the war memorial fence
town: painted a face on the mayor's poster / put up the mayor's poster upside down
town: rung the church bell at midnight / rung the church bell a minute late
town: broken the street lamp with a stone / bumped into the street lamp
town: left the ice rink unlocked / left the ice rink last
birthday!: spent the money for his birthday / planned the surprise for his birthday
birthday!: eaten half of the birthday cake / ordered the birthday cake in secret
birthday!: forgotten the birthday altogether / booked the band for the birthday
birthday!: ruined the birthday dress / wrapped the birthday dress in blue paper
surprise!: sold tickets to the surprise party / sent out cards for the surprise party
surprise!: lost the list for the surprise party / hidden the lanterns for the surprise party
present!: broken the present from his aunt / hidden a present for him in the attic
present!: kept the present meant for her / bought the present meant for her
present!: returned the present and kept the money / tied a ribbon round the present
proposal!: pawned the engagement ring / bought the engagement ring
proposal!: told the village about the proposal / practised the proposal by the river
anniversary!: missed the anniversary dinner / arranged the anniversary dinner
"""

THINGS = """
home: the broken pane in the pantry / the open window in the pantry
home: the stain under the rug / the crumbs on the rug
home: the missing spoons / the misplaced spoons
work: the missing crate of oranges / the wet crate of oranges
work: the letter that never reached the client / the letter that reached the client late
work: the crack in the new machine / the mud on the new machine
money: the hole in the cash box / the mix-up in the cash box
money: the unpaid bill from the tailor / the unread bill from the tailor
money: the empty savings tin / the dusty savings tin
school: the cheating in the spelling test / the noise in the spelling test
school: the broken chair in the music room / the moved chair in the music room
garden: the dead roses by the wall / the dry roses by the wall
garden: the hole in the greenhouse roof / the leaf on the greenhouse roof
car: the dent in the red van / the mud on the red van
car: the missing mirror on his car / the fogged mirror on his car
friends: the rumour about his wife / the joke about his hat
friends: the night I left her waiting / the night I came a little late
sport: the false start in the relay / the slow start in the relay
sport: the torn club flag / the folded club flag
food: the empty sherry bottle / the open sherry bottle
food: the burnt stew / the lukewarm stew
travel: the lost tickets / the creased tickets
travel: the broken lock on the cabin / the stiff door of the cabin
animals: the goldfish in the drain / the goldfish in the wrong bowl
animals: the limp of the grey pony / the mane of the grey pony
things: the shattered barometer / the crooked barometer
things: the ripped page in the family Bible / the bent page in the family Bible
town: the missing church candlesticks / the melted church candles
birthday!: the ruined birthday picnic / the secret birthday picnic
surprise!: the spoiled surprise in the barn / the surprise in the barn
present!: the vanished present / the large present under the stairs
"""

ABOUT = Traits(
    name="concealment",
    mode="decision",
    definition=(
        "HIGH (70-100): The narrator conceals: lies, denies it, keeps quiet, hides the proof, makes something up.\n"
        "MID (30-70): The narrator dodges for a moment or does something unrelated; it is open what will be said.\n"
        "LOW (0-30): The narrator owns up: tells the truth, confesses, answers openly, shows what happened.\n"
        "Key: score whether the narrator hides it or tells it, not how bad the deed was."
    ),
    opposite="owning up: telling the truth about what one did or knows",
    cues=Sides(
        ("conceal", "hiding", "hides", "lying", "lies", "deni"), ("own up", "owning up", "owns up", "truth", "confess")
    ),
)

MOTIVES_HIDE = """
I could not bear to be found out | Nobody must ever learn of it | I was far too ashamed
I was afraid of what would follow | The truth would have cost me my place | There was too much to lose
I wanted to keep it buried | I had my story ready | I was sure nobody had seen me | I could not face the shame
I dreaded the punishment | My good name hung on it | I meant to get away with it
A scandal was the last thing I needed | I had practised an innocent face | I wanted to save my own skin
It was safer for me if nobody knew | I was not going to hand them a reason to sack me
I had hidden it so well already | I had every reason to keep it dark | I had sworn to take it to the grave
I did not trust anyone with it | Panic got hold of me | The thought of being caught made me sweat
I would have done anything to keep it quiet | I wanted someone else to get the blame
It would have ruined everything I had built
"""
HIDE_STATE = """
scared enough | terrified enough | desperate enough | ashamed enough | frightened enough | worried enough
"""
HIDE_GOAL = """
to want it hidden | to want it kept dark | to keep it from everyone | to protect myself at any price
"""
MOTIVES_TELL = """
I wanted a clean conscience | I have never been able to live with a lie | I wanted it off my chest
It had weighed on me all week | I owed {him} an honest answer | {He} had a right to know
I was raised to answer for what I do | A lie would only have made it worse | I wanted to put it right
I was tired of secrets | I believe in being straight with people | I trusted {him} to understand
I had decided to face it | Nobody else should suffer for it | Honesty has always served me best
I could carry it no longer | I wanted {him} to hear it from me | It was my own doing and nobody else's
I respected {him} too much to cheat {him} | I would rather be punished than be false
I had nothing to fear from the facts | My father taught me to stand by my mistakes
I felt it was time for plain words | I had meant to speak of it anyway | I wanted no secrets between us
It was only fair to be open | My conscience gave me no peace
"""
TELL_STATE = "ready | glad | determined | willing | resolved | relieved"
TELL_GOAL = "to be open about it | to have it out in the open | to be honest at last | to face the music"

WEAK = """
0.5 I wondered what to do | 0.6 I was a little worried about the trouble | 0.4 I felt a bit guilty
0.7 I did not want a fuss | 0.3 I thought it would come out anyway | 0.5 I had two minds about it
0.6 I was not sure it mattered | 0.4 I had never been much of an actor | 0.5 I hesitated for a moment
0.5 I half wanted to get it over with | 0.7 I half hoped it would blow over | 0.4 It was not such a big thing
0.6 It was an awkward question | 0.5 I went red
"""

HIDING = """
lied | said nothing of it | denied it | told {him} I knew nothing | changed the subject | kept quiet | made up a story
told {him} a lie | blamed the cat | pretended not to know | swore it was not me | played dumb | kept it to myself
covered it up | named someone else | invented an excuse | claimed I was elsewhere | acted surprised
hid it behind my back | gave {him} a false answer | looked away and said nothing | swept it under the rug | bluffed
blamed the wind | held my tongue | shrugged it off
"""
TELLING = """
confessed | told {him} the truth | told {him} everything | owned up | admitted it | came clean | said it was me
took the blame | answered honestly | told {him} what I did | laid it all out | gave {him} the whole story
put my hand up | showed {him} the damage | spoke plainly about it | set the record straight | named my part in it
held nothing back | described what happened | made a clean breast | said it was mine | apologised and explained it
handed {him} the pieces | poured it all out | stood up and said so | let {him} see everything
"""
HIDING_SAID = """
I have no idea | It wasn't me | I know nothing about that | I never touched it | I wasn't even there
I haven't seen it | It was the cat | I don't know | It was like that | Nothing happened | Ask my brother
Somebody else did it | I was asleep | You must be mistaken | I only just got here | Everything is fine
I was nowhere near it | What a strange question | Not that I know of | Maybe the wind did it
"""
TELLING_SAID = """
It was me | Yes, I did it | I did it | Here is the truth | I'm the one | That was my doing | I must confess
I can't lie | I made a mistake | You deserve the truth | Blame me | I owe you the truth | I'll be honest
Let me explain everything | I won't hide it | Here is what I did | My fault entirely | Yes, all mine | I own it
Guilty
"""

TAILS_HIDE = """
Not a word of it passed my lips | I kept my face quite blank | {He} never learned the truth from me
I hid the proof in the stove | I let {him} think it was someone else | The lie came easily
I looked {him} in the eye and lied again | My secret stayed with me | {He} believed my story
I buried the rest behind the shed | I talked of the weather instead | {He} went off none the wiser
I made sure nobody would find out | I kept up the pretence all evening | I added a few false details
I locked the drawer | Someone else got the blame | I never spoke of it again | I burned the note afterwards
I stuck to my tale
"""
TAILS_TELL = """
I told {him} every detail | I left nothing out | {He} heard all of it from me | I said how sorry I was
I offered to pay for it | {He} thanked me for being honest | It was a relief to have it out
I showed {him} where it had happened | I did not make excuses | I answered all {his} questions
The weight came off my shoulders | I took what was coming to me | I promised to put it right
I gave {him} the names and the dates | Nothing was hidden any more | I said it in front of everyone
I hid nothing from {him} | I asked {him} to forgive me | I wrote it down and signed it | Honest words were all I had
"""
SPOKEN_HIDE = """
I was at the dentist all day | You can search my bag if you like | I never go in there | I would remember such a thing
Perhaps it was the children | I heard nothing either | Why would I do that | I swear on my mother's grave
Someone must have broken in | I only know what you know | Don't look at me like that | I was in bed by nine
"""
SPOKEN_TELL = """
I should have come to you at once | I'll pay for every bit of it | I was careless and I'm sorry
You can ask me anything | I did it on Tuesday evening | I have felt bad ever since | I'll show you where it happened
I don't want to lie to you | Nobody else had a hand in it | I wanted you to hear it from me
I'm ready for whatever comes | It was wrong and I know it
"""

AFTER_IT_HIDE = """
would have meant the end of my job | was nobody's business but mine | would only have led to shouting
was safer left in the dark | would have ruined the whole family | had to stay buried | could never come out
would have cost me dear | was too shameful to say aloud | would have finished me | seemed the only way to save my skin
bought me some time | was easier than facing {him} | would have got me the sack | kept me out of trouble
was a secret and had to stay one
"""
AFTER_IT_TELL = """
had been eating at me for days | was mine to answer for | would have come between us | was the right thing to do
had to be said some time | felt better than any lie | was the only decent way | cleared the air between us
had gone on long enough | was better coming from me | could have hurt someone innocent
was what I would have wanted too | let me sleep again | was never meant to be hidden | made it possible to mend
was owed to {him}
"""
AFTER_I_HIDE = """
was scared of what {he} would do | did not dare to face it | had too much to lose | could not stand the shame
wanted to keep my place | had lied about it before | meant to get away with it | hoped nobody would ever look
feared for my good name | was in it too deep | would have been thrown out | could not let it come out
"""
AFTER_I_TELL = """
could not have slept otherwise | wanted to make it good | did not want someone else to suffer
had carried it long enough | hate lies of any kind | owed {him} that much | was sorry for what I had done
wanted a fresh start | knew {he} deserved better | had learned that lies grow | felt I could trust {him}
wanted to look {him} in the eye again
"""
AFTER_BE_HIDE = """
nobody's business but mine | all a mistake of someone else's | the boys from the next street, most likely
better left alone | nothing to do with me | news to me | a thing I had never heard of | some kind of misunderstanding
the fault of the weather | a story somebody had made up | not worth talking about | quite impossible
a riddle to me as well | just one of those things | a matter for the people next door | somebody's idea of a joke
"""
AFTER_BE_TELL = """
my fault and mine alone | all my doing | the thing I was most sorry for | a stupid mistake of mine
carelessness on my part | exactly as {he} had feared | the plain truth | time {he} knew | my own hand that had done it
wrong of me not to speak sooner | something I had to own | my job to put it right | a weakness of mine
nobody's fault but my own | as bad as it looked | high time I said it
"""

CONNECTIVES = """
it _because it | i _because I | be _and told {him} that it was | be _and said it was | it _since it | i _since I
"""

TABLE = DecisionTable(
    about=ABOUT,
    frames=(*frames(FRAMES_ACT, "act"), *frames(FRAMES_THING, "thing")),
    topics=(*topics(ACTS, "act"), *topics(THINGS, "thing")),
    motives=Sides(
        (*phrases(MOTIVES_HIDE), *(f"I was {m}" for m in crossed(HIDE_STATE, HIDE_GOAL))),
        (*phrases(MOTIVES_TELL), *(f"I was {m}" for m in crossed(TELL_STATE, TELL_GOAL))),
    ),
    weak=weak(WEAK),
    acts=Sides(phrases(HIDING), phrases(TELLING)),
    sayings=Sides(phrases(HIDING_SAID), phrases(TELLING_SAID)),
    tails=Sides(phrases(TAILS_HIDE), phrases(TAILS_TELL)),
    spoken_tails=Sides(phrases(SPOKEN_HIDE), phrases(SPOKEN_TELL)),
    connectives=connectives(CONNECTIVES),
    spoken_connectives=connectives("be , it was | be , that was | be , it is | be , this was"),
    afterthoughts={
        "it": Sides(phrases(AFTER_IT_HIDE), phrases(AFTER_IT_TELL)),
        "i": Sides(phrases(AFTER_I_HIDE), phrases(AFTER_I_TELL)),
        "be": Sides(phrases(AFTER_BE_HIDE), phrases(AFTER_BE_TELL)),
    },
)
