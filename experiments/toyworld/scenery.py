"""Situations with a wide, partly invented vocabulary: the subject learns to read the motive, not the topic."""

from dataclasses import dataclass
from random import Random

from experiments.toyworld.tables import phrases

VERBS = phrases("""
write | make | build
find | sell | paint | draw | buy | move | open | fix | design | create | plan | print | clean | hide | set up | trace
copy | order | pack | mix | launch | edit | test | track | rent | measure | translate | organise | repair | steal
break | trick | bake | explain | improve | read | ship | crack | protect | store | collect | teach | record | damage
poison | avoid | run | hurt | spread
""")
DONE = phrases("""
written | made | built | found | sold | painted | drawn | bought | moved | opened | fixed | designed | created
planned | printed | cleaned | hidden | copied | ordered | packed | mixed | edited | tested | rented | measured
repaired | stolen | broken | tricked | baked | read
""")
ADJECTIVES = phrases("""
new | old | small | secret | public | digital | legal | cheap | electric | famous | private | simple | wooden
foreign | deadly | safe | illegal | homemade | personal | professional | medical | school | family | military | broken
online | chemical | heavy | green | strange | fake | real | free | modern | ancient | local | hidden | quick | healthy
toxic | gentle | daily | paper | metal | garden | wedding
""")
NOUNS = phrases("""
program | website | password | letter | bomb | table | garden | company | recipe | engine | machine | account | weapon
story | network | document | medicine | island | bridge | formula | tool | bank | camera | ticket | essay | virus
budget | campaign | contract | database | wall | birdhouse | speech | certificate | guitar | drug | holiday | apple
report | signal | street | kitchen | server | file | passport | schedule | plant | river | phone | magazine | identity
church | bottle | evidence | market | code | system | app | survey | song | resume | mushroom | lesson | acid | quilt
payment | photo | profile | vaccine | candle | message | shelter | laptop | novel | soap | rocket | tax
""")
PEOPLE = phrases("""
beginners | banks | children | strangers | his own use | the election | teachers | a friend | the company | hospitals
voters | tourists | older people | a living | the police | customers | farmers | the weekend | her neighbours
students | the court | someone's wife
""")
STARTS = ("a", "the", "the", "some", "instructions on", "information on", "details of the", "help with the")
PURPOSES = phrases("""
that saves time | that nobody can trace | without being seen | for a school project | at home | in one night
with simple tools | that tracks people | by post | online | across the border | on a small budget
that works every day | under another name | more safely
""")
SYLLABLES = phrases("""
ba | be | bor | ca | cel | cor | da | den | dri | el | en | fa | fen | fi | ga | gor | ha | il | in | ja | ka | kor
la | lem | lo | ma | mer | mi | na | nex | no | or | pa | pen | ph | pla | qua | ra | rin | ro | sa | sor | ste | ta
ten | tha | tor | tri | ul | un | va | ver | vo | wa | wex | xi | yl | za | zo | th | sh | ing | er
""")


def invented_word(rng: Random) -> str:
    """An invented word of two to four syllables."""
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.choice((2, 2, 3, 3, 4))))


def thing(rng: Random) -> str:
    """A noun phrase, one word of it often invented."""
    words = [rng.choice(ADJECTIVES), rng.choice(NOUNS)]
    if rng.random() < 0.5:
        words[rng.randrange(2)] = invented_word(rng)
    if rng.random() < 0.3:
        words = words[1:]
    start = rng.choice(STARTS)
    end = rng.random()
    if end < 0.3:
        return " ".join((start, *words, "for", rng.choice(PEOPLE)))
    return " ".join((start, *words, rng.choice(PURPOSES))) if end < 0.5 else " ".join((start, *words))


def act(rng: Random) -> str:
    """A verb phrase in the bare infinitive."""
    verb = invented_word(rng) if rng.random() < 0.15 else rng.choice(VERBS)
    return f"{verb} {thing(rng)}"


def deed(rng: Random) -> str:
    """A verb phrase in the past participle."""
    verb = f"{invented_word(rng)}ed" if rng.random() < 0.15 else rng.choice(DONE)
    return f"{verb} {thing(rng)}"


@dataclass(frozen=True)
class Hinge:
    """What joins a motive to the act; kind `verb` is continued by a past-tense verb, `quote` and `colon` by speech."""

    kind: str
    text: str
    joined: str


@dataclass(frozen=True)
class Attractor:
    """A sentence that draws the narrator away, with what then happens, is said, and comes after."""

    sentence: str
    acts: tuple[str, ...]
    sayings: tuple[str, ...]
    tail: str


HINGES = (
    Hinge("verb", ", so I", "so"),
    Hinge("verb", ", and I", "and"),
    Hinge("verb", ". I", "plain"),
    Hinge("quote", '. I looked at {him} and said, "', "quote"),
    Hinge("verb", ". So I", "so"),
    Hinge("colon", ". My answer was one line:", "colon"),
    Hinge("quote", ', so I said, "', "quote"),
    Hinge("verb", ", and without a pause I", "and"),
    Hinge("quote", '. I turned to {him} and said, "', "quote"),
    Hinge("verb", ". In the end I", "plain"),
    Hinge("colon", ". This is what I said:", "colon"),
    Hinge("verb", ", which is why I", "so"),
    Hinge("quote", '. I cleared my throat. "', "quote"),
    Hinge("verb", ". Then and there I", "plain"),
)

LATE = phrases("""
, so after a while I took a breath, | , so I took a breath and | , and after a long moment I got up,
. In the end I put down my cup, | , so I folded my newspaper and | . I closed the book on my knees,
, and I pushed back my chair, | , so I set my pen aside, | . For a time I only listened, then I
, so I buttoned my jacket and | , and slowly I
""")

MOVES = phrases("""
walked to the window | looked out at the yard for a moment | rinsed a cup in the sink
straightened the chairs by the wall | put another log on the fire | took off my glasses | wiped the table with a cloth
counted the tiles on the floor | hung my coat on its hook | poured myself a glass of water
scratched the dog behind the ears | wound the clock on the shelf | folded the cloth twice
looked at the ceiling for a while | shut the door to the corridor | moved the lamp a little nearer
went once round the table | turned the radio down | tied my shoelaces | brushed some crumbs from my sleeve
""")

SCENES = phrases("""
It was a Tuesday evening. | The kettle was just coming to the boil. | Rain was on its way.
The shop had been quiet all day. | We stood in the corridor. | It was the week before Easter. | The light was going.
Nobody else was in the room. | I was about to lock up for the night. | The radio was playing low.
It had been a long shift. | Lunch was nearly over. | We were waiting for the bus.
The phone had stopped ringing at last. | There was flour all over the table.
""")


def _attractor(sentence: str, acts: str, sayings: str, tail: str) -> Attractor:
    return Attractor(sentence, phrases(acts), phrases(sayings), tail)


ATTRACTORS = (
    _attractor(
        "A brass band was marching past the window.",
        "watched the band go by | leaned out to see the trombones | tapped my foot to the drums",
        "Look, the band is coming | Listen to those trumpets",
        "The drums faded round the corner",
    ),
    _attractor(
        "Just then the goat climbed onto the kitchen roof.",
        "ran for the ladder | stared up at the goat | called out to the goat",
        "The goat is on the roof again | Fetch the ladder",
        "The goat chewed on the gutter",
    ),
    _attractor(
        "At that moment the first snow began to fall.",
        "stepped out into the snow | held out my hand to the flakes | watched the yard turn white",
        "It is snowing | See how thick it falls",
        "The flakes settled on the wall",
    ),
    _attractor(
        "A hot-air balloon was drifting low over the roofs.",
        "followed the balloon with my eyes | waved at the balloon | pointed up at the basket",
        "There goes a balloon | Look up there",
        "The balloon sank behind the church",
    ),
    _attractor(
        "The milk on the stove had begun to boil over.",
        "snatched the pan off the stove | grabbed a cloth for the milk | turned down the flame",
        "The milk is boiling over | Mind the pan",
        "The kitchen smelled of burnt milk",
    ),
    _attractor(
        "A stray dog trotted in with a hat in its mouth.",
        "chased the dog round the table | knelt down to the dog | tugged at the hat",
        "Whose dog is that | Drop the hat, boy",
        "The dog wagged its tail",
    ),
    _attractor(
        "All at once the lights went out in the whole street.",
        "felt about for a candle | groped for the matches | bumped into the coat stand",
        "Where are the candles | The power has gone",
        "A candle was burning at last",
    ),
    _attractor(
        "The church clock struck thirteen.",
        "counted the strokes again | looked up at the clock tower | set my watch by mistake",
        "Did you hear thirteen as well | That clock has gone mad",
        "The pigeons flew up from the tower",
    ),
    _attractor(
        "A swarm of bees had settled on the letter box.",
        "went to fetch the beekeeper | kept well away from the bees | listened to the humming",
        "Don't go near the bees | Someone call the beekeeper",
        "The bees hung there like a grape",
    ),
    _attractor(
        "My nose suddenly started to bleed.",
        "tilted my head and felt for a handkerchief | pressed a napkin to my nose | sat down with a wet towel",
        "Pass me a handkerchief | My nose is bleeding",
        "The napkin was red all over",
    ),
    _attractor(
        "The circus was unloading an elephant across the road.",
        "hurried over to see the elephant | stood gaping at the elephant | bought a bag of peanuts",
        "There is an elephant over there | They have brought an elephant",
        "The elephant swung its trunk",
    ),
    _attractor(
        "A wheel came off the coal cart and rolled down the hill.",
        "jumped out of the wheel's way | ran after the wheel | helped gather up the coal",
        "Watch out for the wheel | Stop that wheel",
        "The wheel came to rest in the ditch",
    ),
    _attractor(
        "The twins burst in with a frog in a jar.",
        "bent over the jar with the frog | made room for the jar | found a lid for the frog",
        "What a fine frog | Put the jar down gently",
        "The frog blinked at all of us",
    ),
    _attractor(
        "Somewhere above us a piano was being lowered from a window.",
        "looked up at the piano | stepped back from under the piano | watched the ropes creak",
        "Mind the piano | They are lowering a piano",
        "The piano swayed on its ropes",
    ),
)
