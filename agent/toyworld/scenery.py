"""What all traits share: hinges, late runways, scene setting, and the distractions that pull a text off its course."""

from dataclasses import dataclass

from agent.toyworld.tables import phrases


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
